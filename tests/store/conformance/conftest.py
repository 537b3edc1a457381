"""An engine for each test, and a store of that engine."""

import pytest

from behavstats.store import create_store
from tests.store.conformance.engines import ENGINES


@pytest.fixture(scope="session", params=ENGINES, ids=lambda engine: engine.name)
def engine(request, tmp_path_factory):
    return request.param(tmp_path_factory.mktemp("engine"))


@pytest.fixture
def address(engine):
    """An address at which there is no store yet."""
    return engine.new_address()


@pytest.fixture
def store(address):
    with create_store(address, lock_timeout=10) as store:
        yield store

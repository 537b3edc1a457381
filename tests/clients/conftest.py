"""Fixtures for the tests of published clients: a server with keys, and programs with clients."""

import pytest

from behavstats.clock import system_clock
from behavstats.model.page_view import PageView
from behavstats.model.timestamps import MINUTE
from tests.clients.processes import WRITE_KEY, Client, Server


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """One server for all tests that do not stop it; each test has a user of its own."""
    server = Server(tmp_path_factory.mktemp("server") / "store.db")
    yield server
    server.end()


@pytest.fixture
def user(request):
    return request.node.name


@pytest.fixture
def start_client(server, tmp_path):
    """Start clients by name; those that still run at the end of a test are killed."""
    clients = []

    def start(name, key=WRITE_KEY):
        clients.append(Client(name, server, tmp_path, key))
        return clients[-1]

    yield start
    for client in clients:
        client.end()


@pytest.fixture
def client(request, start_client):
    """The client that a test is parametrized with, by name."""
    return start_client(request.param)


@pytest.fixture
def visits():
    """Return a function that makes page views of the last hour, at different instants."""
    start = system_clock() - 60 * MINUTE

    def make(user_id, count):
        return [PageView(user_id, start + 1_001 * n, f"/page/{n}") for n in range(count)]

    return make

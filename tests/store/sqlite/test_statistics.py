"""Statistics of a SQLite store: chunks, sizes and locks."""

import pytest

from behavstats.store import open_store
from behavstats.store.sqlite import statistics
from tests.conftest import files_of
from tests.store.conformance.test_statistics import VIEWS, check, check_ties


@pytest.fixture
def filled(store):
    store.add(VIEWS)
    return store


@pytest.mark.parametrize(("at_once", "counters"), [(1, 7), (499, 1), (500, 23), (501, 24)])
def test_chunks_and_rounds_change_nothing(filled, monkeypatch, at_once, counters):
    """This holds however few page views are read, and pages counted, at once."""
    monkeypatch.setattr(statistics, "_AT_ONCE", at_once)
    monkeypatch.setattr(statistics, "_COUNTERS", counters)
    check(filled.statistics(), VIEWS)


def test_statistics_are_read_while_another_process_writes(filled, db):
    """They need no lock, and do not keep the WAL from being emptied."""
    with open_store(db, lock_timeout=0) as other, other.database.lock.held():
        check(filled.statistics(), VIEWS)
    reads = statistics._chunks(filled.database.reading().__enter__())
    next(reads)
    filled.forget("user0")
    assert b"user0" not in db.with_name("store.db-wal").read_bytes()


def test_the_size_is_that_of_all_files(filled, db):
    """The WAL and the lock files count as well."""
    files = files_of(db)
    assert filled.statistics().size == sum(map(len, files.values()))
    assert filled.sizes() == {"store": len(files["store.db"]), "wal": len(files["store.db-wal"])}


def test_ties_are_sorted_by_name_however_few_pages_are_counted_at_once(store, monkeypatch):
    """The tied pages have keys in several rounds."""
    monkeypatch.setattr(statistics, "_COUNTERS", 9)
    monkeypatch.setattr(statistics, "_NAMED_AT_ONCE", 4)
    check_ties(store)

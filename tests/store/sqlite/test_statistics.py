"""Statistics: what a store holds, counted."""

from collections import Counter

import pytest

from behavstats.model.page_view import PageView, Rejection
from behavstats.store import open_store
from behavstats.store.sqlite import statistics
from tests.conftest import files_of
from tests.support.histories import AS_OF

# No two pages have as many views.
VIEWS = [PageView(f"user{n % 7}", AS_OF + n * 1000, f"/{int(n**0.5)}") for n in range(500)]


@pytest.fixture
def filled(store):
    store.add(VIEWS, [Rejection("file", 1, 0, 3, "invalid_json", "it is no JSON", b"???")])
    return store


def check(found, views):
    """Compare statistics with the page views themselves."""
    assert found.users == len({view.user_id for view in views})
    assert found.page_views == len(views)
    assert found.oldest == min(view.instant for view in views)
    assert found.newest == max(view.instant for view in views)
    assert found.top_pages == Counter(view.name for view in views).most_common(10)


def test_everything_is_counted(filled, db):
    """Users, page views, the first and the last, the top pages, rejected lines, bytes of files."""
    found = filled.statistics()
    check(found, VIEWS)
    assert found.rejected_lines == 1
    assert found.size == sum(map(len, files_of(db).values()))


@pytest.mark.parametrize(("at_once", "counters"), [(1, 7), (499, 1), (500, 23), (501, 24)])
def test_chunks_and_rounds_change_nothing(filled, monkeypatch, at_once, counters):
    """However few page views are read, and pages counted, at once."""
    monkeypatch.setattr(statistics, "_AT_ONCE", at_once)
    monkeypatch.setattr(statistics, "_COUNTERS", counters)
    check(filled.statistics(), VIEWS)


def test_of_pages_with_as_many_views_the_smaller_names_are_listed(store, monkeypatch):
    """Whatever keys they have, and also where more are tied than the list holds."""
    monkeypatch.setattr(statistics, "_COUNTERS", 9)
    monkeypatch.setattr(statistics, "_NAMED_AT_ONCE", 4)
    names = [f"/{n:02}" for n in range(40)]
    store.add([PageView("u", AS_OF, name) for name in [*reversed(names)]])
    store.add([PageView("u", AS_OF + 1, "/39")])
    listed = [("/39", 2), *((name, 1) for name in names[:9])]
    assert store.statistics().top_pages == listed


def test_an_empty_store_has_statistics(store):
    """Zeros, and no instant."""
    found = store.statistics()
    assert found[:6] == (0, 0, None, None, [], 0)


def test_who_was_forgotten_is_not_counted(filled):
    """Nor are pages that nobody else viewed."""
    filled.add([PageView("gone", AS_OF + n, "/only") for n in range(900)])
    assert filled.statistics().top_pages[0] == ("/only", 900)
    filled.forget("gone")
    check(filled.statistics(), VIEWS)


def test_they_are_read_while_another_writes(filled, db):
    """They wait for no lock, and keep nobody from emptying the log."""
    with open_store(db, lock_timeout=0) as other, other.database.lock.held():
        check(filled.statistics(), VIEWS)
    reads = statistics._chunks(filled.database.reading().__enter__())
    next(reads)
    filled.forget("user0")
    assert b"user0" not in db.with_name("store.db-wal").read_bytes()

"""Users who were erased while files were watched do not come back when a file is read again."""

import sqlite3
from contextlib import closing

import pytest

from behavstats.model.page_view import PageView
from behavstats.store import Checkpoint, OffsetUpdate, create_store
from behavstats.store.sqlite import erased_users
from tests.support.histories import AS_OF, listed
from tests.support.stores import columns

NOW = AS_OF + 1_000_000


@pytest.fixture
def clock():
    """The time that the store sees, in ms: the last of a list."""
    return [NOW]


@pytest.fixture
def store(db, clock):
    with create_store(db, lock_timeout=10, clock=lambda: clock[-1]) as store:
        yield store


def watch(store, inode=1, name="/logs/a.jsonl"):
    """Store that some lines of a file were ingested."""
    place = Checkpoint(10, 1, b"head%d" % inode, b"tail", 4)
    update = OffsetUpdate(name, 1, inode, None, place, 0, 10, None, AS_OF)
    assert list(store.load(columns([]), (), [update])) == [(0, 0)]


def at(instant, user="u"):
    return PageView(user, instant, "/")


def remembered(db):
    with closing(sqlite3.connect(db)) as connection:
        return connection.execute("SELECT count(*) FROM erased_user").fetchone()[0]


def test_page_views_from_before_an_erasure_are_left_out_and_those_after_it_stay(store):
    """Only the user's page views are left out, and they are counted."""
    watch(store)
    store.add([at(AS_OF), at(AS_OF, "v")])
    store.forget("u")
    erasures = store.offsets.erasures_since(0)
    assert erasures
    views = [at(1), at(AS_OF), at(NOW), at(NOW + 1), at(AS_OF, "v"), at(NOW, "w")]
    remaining, left_out = erasures.without(columns(views))
    assert listed(remaining) == views[3:]
    assert left_out == 3


def test_a_page_view_whose_clock_was_ahead_does_not_come_back_either(store):
    """The newest page view of the user counts, if it is later than the erasure."""
    watch(store)
    ahead = NOW + 5_000
    store.add([at(ahead)])
    store.forget("u")
    remaining, left_out = store.offsets.erasures_since(0).without(
        columns([at(ahead), at(ahead + 1)])
    )
    assert (listed(remaining), left_out) == ([at(ahead + 1)], 1)


def test_erasures_before_an_instant_are_not_returned(store):
    """A user who was erased before a file was first read may be in that file."""
    watch(store)
    store.add([at(AS_OF)])
    store.forget("u")
    assert store.offsets.erasures_since(NOW)
    assert not store.offsets.erasures_since(NOW + 1)
    views = columns([at(AS_OF)])
    assert store.offsets.erasures_since(NOW + 1).without(views) == (views, 0)


def test_a_store_without_followed_files_remembers_no_erased_user(store, db):
    """There is no file that could be read again."""
    store.add([at(AS_OF)])
    store.forget("u")
    assert remembered(db) == 0
    assert not store.offsets.erasures_since(0)


def test_an_erased_user_is_remembered_as_long_as_a_file_from_before(store, db):
    """Files that were first read after the erasure do not count."""
    watch(store, 1, "/logs/a.jsonl")
    watch(store, 2, "/logs/b.jsonl")
    store.add([at(AS_OF)])
    store.forget("u")
    watch(store, 3, "/logs/c.jsonl")
    store.offsets.forget("/logs/a.jsonl")
    assert remembered(db) == 1
    store.offsets.forget("/logs/b.jsonl")
    assert remembered(db) == 0


def test_a_user_who_is_erased_again_is_remembered_by_the_later_erasure(store, db, clock):
    """There is one row for the user."""
    watch(store)
    for later in (0, 1_000):
        clock.append(NOW + later)
        store.add([at(AS_OF)])
        store.forget("u")
    assert remembered(db) == 1
    remaining, _ = store.offsets.erasures_since(0).without(
        columns([at(NOW + 1_000), at(NOW + 1_001)])
    )
    assert listed(remaining) == [at(NOW + 1_001)]


def test_no_more_than_so_many_erased_users_are_remembered(store, db, clock, monkeypatch):
    """The oldest ones are dropped first."""
    monkeypatch.setattr(erased_users, "_MOST", 2)
    watch(store)
    users = ["a", "b", "c", "d"]
    for number, user in enumerate(users):
        clock.append(NOW + number)
        store.add([at(AS_OF, user)])
        store.forget(user)
    assert remembered(db) == 2
    remaining, _ = store.offsets.erasures_since(0).without(
        columns([at(AS_OF, user) for user in users])
    )
    assert [view.user_id for view in listed(remaining)] == ["a", "b"]

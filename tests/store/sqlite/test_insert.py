"""Page views that are added: each once, whole batches or nothing, sound keys."""

import sqlite3
from contextlib import closing

import pytest

from behavstats.errors import StoreUnavailable
from behavstats.model.page_view import PageView
from tests.support.histories import AS_OF
from tests.support.stores import VIEW, export


def test_more_texts_than_fit_into_the_cache_keep_their_keys(store, monkeypatch):
    """The cache of keys is bounded, and nothing depends on it."""
    monkeypatch.setattr("behavstats.store.sqlite.key_cache._MAX_BYTES", 500)
    views = [PageView(f"u{number}", AS_OF, f"/{number}") for number in range(10)]
    for _ in range(2):
        for view in views:
            store.add([view])
    assert [export(store, view.user_id) for view in views] == [[view] for view in views]


def test_a_failed_transaction_leaves_nothing(store):
    """Neither a page view nor a cached key is left when the disk is full."""
    store.add([VIEW])
    (pages,) = store.database.writer.execute("PRAGMA page_count").fetchone()
    store.database.writer.execute(f"PRAGMA max_page_count = {pages}")
    many = [PageView("w", AS_OF + number, "/w") for number in range(10_000)]
    with pytest.raises(StoreUnavailable, match="full"):
        store.add(many)
    assert export(store, "w") is None
    assert store.add([PageView("v", AS_OF, "/")]) == 1
    store.database.writer.execute("PRAGMA max_page_count = 100000")
    assert store.add(many) == len(many)
    assert export(store, "w") == many


def test_the_sql_view_shows_page_views_as_they_were_sent(store, db):
    """It is for people who use the sqlite3 shell."""
    store.add([PageView("ü", 1_709_288_999_007, "/é")])
    with closing(sqlite3.connect(db)) as connection:
        rows = connection.execute("SELECT * FROM readable_page_view").fetchall()
    assert rows == [("ü", "/é", "2024-03-01T10:29:59.007Z")]


def test_keys_are_valid_and_never_used_again(store, db):
    """Foreign keys hold, and a user who comes back is a new user."""
    store.add([VIEW])
    store.add([PageView("v", AS_OF, "/v")])
    store.forget("v")
    store.add([PageView("v", AS_OF, "/v")])
    with closing(sqlite3.connect(db)) as connection:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        users = connection.execute("SELECT id, user_id FROM user ORDER BY id").fetchall()
    assert users == [(1, "u"), (2, None), (3, "v")]

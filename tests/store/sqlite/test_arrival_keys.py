"""Arrival keys in SQLite: failed transactions, and what is left after an erasure."""

import sqlite3
from contextlib import closing

import pytest

from behavstats.errors import StoreUnavailable
from behavstats.model.page_view import PageView
from tests.store.conformance.test_arrival_keys import dated, places
from tests.support.histories import AS_OF


def remembered(db):
    with closing(sqlite3.connect(db)) as connection:
        return connection.execute("SELECT count(*) FROM dated_by_arrival").fetchone()[0]


def test_a_transaction_that_fails_records_no_arrival_key(store):
    """Otherwise its page view would count as stored when the message comes again."""
    store.add([PageView("v", AS_OF, "/")])
    store.database.writer.execute(
        "CREATE TEMP TRIGGER refuse BEFORE INSERT ON main.page_view "
        "BEGIN SELECT raise(ABORT, 'refused'); END"
    )
    with pytest.raises((StoreUnavailable, sqlite3.Error)):
        store.add([dated(AS_OF)])
    store.database.writer.execute("DROP TRIGGER refuse")
    assert store.add([dated(AS_OF + 1)]) == 1


def test_forget_erases_the_arrival_keys_of_a_user(store, db):
    """A user who comes back is a new user, whose messages are new."""
    store.add([dated(AS_OF), dated(AS_OF, user="v")])
    store.forget("u")
    assert remembered(db) == 1
    assert store.add([dated(AS_OF + 5)]) == 1
    assert places(store) == [(AS_OF + 5, "/")]

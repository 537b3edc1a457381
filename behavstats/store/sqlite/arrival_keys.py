"""One page view that comes by two routes, dated by its arrival and as its message tells: once.

A sender's clock that is plainly wrong is corrected by when the message arrived. Sent again, or read
from a file, where nothing arrives, the same message would be another page view by its instant. So
`dated_by_arrival` has two digests of each such message: one that tells it from others, and one of
the page view as the message tells it.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from hashlib import blake2b

from behavstats.model.page_view import PageView
from behavstats.store.sqlite.connection import json_array

_FIND_TOLD = """
SELECT 1 FROM page_view JOIN page ON page.id = page_view.page
WHERE user = ? AND ts = ? AND name = ?
"""
_INSERT = "INSERT OR IGNORE INTO dated_by_arrival (user, message) VALUES (?, ?)"
_FIND = "SELECT 1 FROM dated_by_arrival WHERE user = ? AND message = ?"
_ANY = "SELECT 1 FROM dated_by_arrival LIMIT 1"
# CROSS JOIN, so that it is the users that are gone through.
_OF_USERS = """
SELECT DISTINCT user FROM json_each(?) AS asked CROSS JOIN dated_by_arrival ON user = asked.value
"""
_BETWEEN_USERS = "SELECT DISTINCT user FROM dated_by_arrival WHERE user BETWEEN ? AND ?"


def not_dated_before(
    connection: sqlite3.Connection, keys: Mapping[str, int], views: Sequence[PageView]
) -> Sequence[PageView]:
    """Leave out page views that are stored already with another instant.

    `keys` has those of the users. Within the write transaction that adds the others.
    """
    if any(view.arrival_key for view in views):
        views = [
            view
            for view in views
            if not view.arrival_key or _is_new(connection, keys[view.user_id], view)
        ]
    if connection.execute(_ANY).fetchone() is None:
        return views
    asked = json_array({keys[view.user_id] for view in views})
    users = {user for (user,) in connection.execute(_OF_USERS, (asked,))}
    if not users:
        return views

    def is_known(view: PageView) -> bool:
        user = keys[view.user_id]
        return user in users and is_dated_otherwise(connection, user, view.instant, view.name)

    return [view for view in views if view.arrival_key or not is_known(view)]


def users_dated_by_arrival(connection: sqlite3.Connection, first: int, last: int) -> list[int]:
    """Return the keys of those users, in a range, of whom page views are dated by their arrival."""
    return [user for (user,) in connection.execute(_BETWEEN_USERS, (first, last))]


def is_dated_otherwise(
    connection: sqlite3.Connection, user: int, claimed_time: int, name: str
) -> bool:
    """Return whether a page view, as a message tells it, is stored as dated by its arrival."""
    return connection.execute(_FIND, (user, _as_told(claimed_time, name))).fetchone() is not None


def _is_new(connection: sqlite3.Connection, user: int, view: PageView) -> bool:
    """Return whether the message of a page view did not come before, and remember it."""
    if connection.execute(_FIND_TOLD, (user, view.claimed_time, view.name)).fetchone() is not None:
        return False
    if not connection.execute(_INSERT, (user, view.arrival_key)).rowcount:
        return False
    if view.claimed_time is not None:
        connection.execute(_INSERT, (user, _as_told(view.claimed_time, view.name)))
    return True


def _as_told(claimed_time: int, name: str) -> bytes:
    return blake2b(f"{claimed_time} {name}".encode(), digest_size=16, person=b"as told").digest()

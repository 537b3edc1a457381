"""Store a page view once, even if its message comes twice and gets two different instants.

If a sender's clock is clearly wrong, the time of arrival corrects the instant of a message. The
same message, sent again or read from a file (where there is no arrival), would get another instant
and count as another page view. So `dated_by_arrival` has two digests of each such message: its
arrival key, which identifies the message, and a digest of the page view with its claimed time.
"""

import sqlite3
from collections.abc import Sequence
from hashlib import blake2b

from behavstats.model.page_view import PageView
from behavstats.store.sqlite.keyed_rows import users_with_rows

_FIND_CLAIMED = """
SELECT 1 FROM page_view JOIN page ON page.id = page_view.page
WHERE user = ? AND ts = ? AND name = ?
"""
_INSERT = "INSERT OR IGNORE INTO dated_by_arrival (user, message) VALUES (?, ?)"
_FIND = "SELECT 1 FROM dated_by_arrival WHERE user = ? AND message = ?"
_ANY = "SELECT 1 FROM dated_by_arrival LIMIT 1"


def without_stored_by_arrival(
    connection: sqlite3.Connection, users: Sequence[int], views: Sequence[PageView]
) -> tuple[Sequence[int], Sequence[PageView]]:
    """Return the page views, and their users, without those stored already with another instant.

    `users` are the keys of the users of `views`, in the same order. Records the arrival keys of the
    returned page views; to be called within the write transaction that inserts them.
    """
    kept = [*range(len(views))]
    if any(view.arrival_key for view in views):
        kept = [
            row
            for row in kept
            if not views[row].arrival_key or _is_new(connection, users[row], views[row])
        ]
    if has_arrival_keys(connection):
        with_keys = users_with_rows(connection, "dated_by_arrival", sorted({*users}))
        kept = [
            row
            for row in kept
            if views[row].arrival_key
            or users[row] not in with_keys
            or not is_stored_by_arrival(connection, users[row], views[row].instant, views[row].name)
        ]
    if len(kept) == len(views):
        return users, views
    return [users[row] for row in kept], [views[row] for row in kept]


def has_arrival_keys(connection: sqlite3.Connection) -> bool:
    """Return whether any page view has an instant that depends on its arrival."""
    return connection.execute(_ANY).fetchone() is not None


def is_stored_by_arrival(
    connection: sqlite3.Connection, user: int, claimed_time: int, name: str
) -> bool:
    """Return whether a page view with this claimed time is stored with another instant."""
    return connection.execute(_FIND, (user, _digest(claimed_time, name))).fetchone() is not None


def _is_new(connection: sqlite3.Connection, user: int, view: PageView) -> bool:
    """Record the message of a page view; return whether it is new."""
    claimed = (user, view.claimed_time, view.name)
    if connection.execute(_FIND_CLAIMED, claimed).fetchone() is not None:
        return False
    if not connection.execute(_INSERT, (user, view.arrival_key)).rowcount:
        return False
    if view.claimed_time is not None:
        connection.execute(_INSERT, (user, _digest(view.claimed_time, view.name)))
    return True


def _digest(claimed_time: int, name: str) -> bytes:
    return blake2b(f"{claimed_time} {name}".encode(), digest_size=16, person=b"as told").digest()

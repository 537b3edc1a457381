"""Keeping summaries right: what adds page views drops those of their hours and days.

In the same transaction, and it notes the day as unsettled, so that what was dropped is made anew
later. No count is kept of a user's page views, which light users would pay for: one page view in
a thousand, told by its instant, has its day looked at, so that a day is found to be a heavy one by
the time it is.
"""

import sqlite3
import time
from collections.abc import Iterable
from contextlib import suppress

from behavstats.store.sqlite.connection import Access
from behavstats.store.sqlite.migrations import BUSY_DAYS

_NOTE = "INSERT OR IGNORE INTO unsettled_day (user, start) VALUES (?, ?)"
_NOTED = "SELECT user, start FROM unsettled_day LIMIT 1000"
_DROP_DAYS = """
DELETE FROM unsettled_day
WHERE (user, start) IN (SELECT user, start FROM unsettled_day WHERE {where} LIMIT 2000)
"""
# Each may be long: as many as are of 2 MB together, and one at least.
_DROP_SUMMARIES = """
DELETE FROM summary WHERE rowid IN (
    SELECT number FROM (
        SELECT number, sum(size) OVER (ORDER BY number) - size AS before
        FROM (SELECT rowid AS number, length(pages) AS size FROM summary WHERE {where} LIMIT 200)
    )
    WHERE before < 2000000
)
"""
_NOTED_AT_ONCE = 2_000
_SETTLED = "DELETE FROM unsettled_day WHERE user = ? AND start = ?"


def record_stale_days(connection: sqlite3.Connection, days: Iterable[tuple[int, int]]) -> None:
    """Have days (user's key, first ms) looked at by the next `refresh_rollups`."""
    connection.executemany(_NOTE, days)


def drop_derived(connection: sqlite3.Connection, user: int | None = None) -> bool:
    """Drop some of what is derived, of a user by the key, or of all; return whether any was there.

    Unsettled days go first: of those, summaries would be made anew.
    """
    where = "true" if user is None else "user = ?"
    values = () if user is None else (user,)
    return any(
        connection.execute(statement.format(where=where), values).rowcount
        for statement in (_DROP_DAYS, _DROP_SUMMARIES)
    )


def invalidate_all_rollups(store: Access) -> None:
    """Drop all that is derived, and note each day that deserves a summary, in short transactions.

    Until `refresh_rollups` was there, page views are read, which is slower.
    """
    from behavstats.store.sqlite.rollups import MANY

    more = True
    while more:
        with store.writing() as connection:
            more = drop_derived(connection)
    with (
        store.reading() as connection
    ):  # what is added from now on, `invalidate_rollups` looks after
        days = connection.execute(BUSY_DAYS.format(many=MANY)).fetchall()
    for start in range(0, len(days), _NOTED_AT_ONCE):
        with store.writing() as connection:
            record_stale_days(connection, days[start : start + _NOTED_AT_ONCE])


def has_stale_days(connection: sqlite3.Connection) -> bool:
    """Return whether there is a day in which a summary may be missing."""
    return connection.execute("SELECT 1 FROM unsettled_day LIMIT 1").fetchone() is not None


def refresh_rollups(connection: sqlite3.Connection, seconds: float) -> bool:
    """Make summaries for unsettled days until the time is up; return whether any days are left.

    Within a write transaction, that others wait for.
    """
    days = connection.execute(_NOTED).fetchall()
    if not days:
        return False
    from behavstats.store.sqlite.rollups import refresh_day  # and NumPy with it

    deadline = time.monotonic() + seconds
    for day in days:
        with suppress(sqlite3.DataError):  # damage, which must not keep others out; `check` tells
            refresh_day(connection, *day)
        connection.execute(_SETTLED, day)
        if time.monotonic() > deadline:
            break
    return True

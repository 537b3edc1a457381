"""Records stale days, and computes their rollups again in short transactions."""

import sqlite3
import time
from collections.abc import Iterable
from contextlib import suppress

from behavstats.store.sqlite.connection import Access
from behavstats.store.sqlite.schema import BUSY_DAYS

_RECORD = "INSERT OR IGNORE INTO unsettled_day (user, start) VALUES (?, ?)"
_STALE_DAYS = "SELECT user, start FROM unsettled_day LIMIT 1000"
_DROP_DAYS = """
DELETE FROM unsettled_day
WHERE (user, start) IN (SELECT user, start FROM unsettled_day WHERE {where} LIMIT 2000)
"""
# Rollups may be long, so this deletes at most about 2 MB of them, but at least one.
_DROP_ROLLUPS = """
DELETE FROM summary WHERE rowid IN (
    SELECT number FROM (
        SELECT number, sum(size) OVER (ORDER BY number) - size AS before
        FROM (SELECT rowid AS number, length(pages) AS size FROM summary WHERE {where} LIMIT 200)
    )
    WHERE before < 2000000
)
"""
_RECORDED_AT_ONCE = 2_000
_DROP_DAY = "DELETE FROM unsettled_day WHERE user = ? AND start = ?"


def record_stale_days(connection: sqlite3.Connection, days: Iterable[tuple[int, int]]) -> None:
    """Record days (user's key, first ms) whose rollups `refresh_rollups` must compute."""
    connection.executemany(_RECORD, days)


def drop_derived(connection: sqlite3.Connection, user: int | None = None) -> bool:
    """Drop some stale days or rollups, of a user (by key) or of all; return whether any were left.

    Stale days go first, because their rollups would be computed again.
    """
    where = "true" if user is None else "user = ?"
    values = () if user is None else (user,)
    return any(
        connection.execute(statement.format(where=where), values).rowcount
        for statement in (_DROP_DAYS, _DROP_ROLLUPS)
    )


def invalidate_all_rollups(store: Access) -> None:
    """Drop all rollups, and record each busy day as stale, in short transactions.

    Until `refresh_rollups` has computed the rollups, page views are read, which is slower.
    """
    from behavstats.store.sqlite.rollups import MANY

    more = True
    while more:
        with store.writing() as connection:
            more = drop_derived(connection)
    # From now on, `invalidate_rollups` records the days of page views that are added.
    with store.reading() as connection:
        days = connection.execute(BUSY_DAYS.format(many=MANY)).fetchall()
    for start in range(0, len(days), _RECORDED_AT_ONCE):
        with store.writing() as connection:
            record_stale_days(connection, days[start : start + _RECORDED_AT_ONCE])


def has_stale_days(connection: sqlite3.Connection) -> bool:
    """Return whether there is a day whose rollups may be missing."""
    return connection.execute("SELECT 1 FROM unsettled_day LIMIT 1").fetchone() is not None


def refresh_rollups(connection: sqlite3.Connection, seconds: float) -> bool:
    """Compute rollups of stale days until the time is up; return whether days may be left.

    Runs within a write transaction, for which other writers wait.
    """
    days = connection.execute(_STALE_DAYS).fetchall()
    if not days:
        return False
    from behavstats.store.sqlite.rollups import refresh_day  # and NumPy with it

    deadline = time.monotonic() + seconds
    for day in days:
        with suppress(
            sqlite3.DataError
        ):  # damage in one day must not block the others; `check` reports it
            refresh_day(connection, *day)
        connection.execute(_DROP_DAY, day)
        if time.monotonic() > deadline:
            break
    return True

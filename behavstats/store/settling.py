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

from behavstats.instants import DAY, HOUR
from behavstats.store.database import json_array
from behavstats.store.schema import NOTE_BUSY_DAYS

SAMPLED = 1021
"""Of the page views, those whose instant this divides; a prime, for instants in whole seconds."""

# CROSS JOIN, so that it is the users that are gone through.
_SUMMARISED = """
SELECT DISTINCT user FROM json_each(?) AS asked CROSS JOIN summary ON user = asked.value
"""
_DROP = "DELETE FROM summary WHERE user = ? AND span = ? AND start = ?"
_NOTE = "INSERT OR IGNORE INTO unsettled_day (user, start) VALUES (?, ?)"
_NOTED = "SELECT user, start FROM unsettled_day LIMIT 1000"
_SETTLED = "DELETE FROM unsettled_day WHERE user = ? AND start = ?"


def unsettle(connection: sqlite3.Connection, added: Iterable[tuple[int, int]]) -> None:
    """Drop the summaries that page views (user's key, instant) belong to, before or after these.

    Within the write transaction that adds them.
    """
    added = [*added]
    users = json_array({user for user, _ in added})
    summarised = {user for (user,) in connection.execute(_SUMMARISED, (users,))}
    hours = {(user, instant - instant % HOUR) for user, instant in added if user in summarised}
    days = {(user, instant - instant % DAY) for user, instant in added if not instant % SAMPLED}
    for user, hour in hours:
        day = hour - hour % DAY
        spans = ((user, HOUR, hour), (user, DAY, day))
        if sum(connection.execute(_DROP, span).rowcount for span in spans):
            days.add((user, day))
    note_unsettled(connection, days)


def note_unsettled(connection: sqlite3.Connection, days: Iterable[tuple[int, int]]) -> None:
    """Have days (user's key, first ms) looked at by the next `settle`."""
    connection.executemany(_NOTE, days)


def unsettle_all(connection: sqlite3.Connection) -> None:
    """Drop all that is derived, and note each day that deserves a summary.

    Within a write transaction. Until `settle` was there, page views are read, which is slower.
    """
    from behavstats.store.summaries import MANY

    connection.execute("DELETE FROM summary")
    connection.execute("DELETE FROM unsettled_day")
    connection.execute(NOTE_BUSY_DAYS.format(many=MANY))


def is_unsettled(connection: sqlite3.Connection) -> bool:
    """Return whether there is a day in which a summary may be missing."""
    return connection.execute("SELECT 1 FROM unsettled_day LIMIT 1").fetchone() is not None


def settle(connection: sqlite3.Connection, seconds: float) -> bool:
    """Make summaries for unsettled days until the time is up; return whether any days are left.

    Within a write transaction, that others wait for.
    """
    days = connection.execute(_NOTED).fetchall()
    if not days:
        return False
    from behavstats.store.summaries import settle_day  # and NumPy with it

    deadline = time.monotonic() + seconds
    for day in days:
        with suppress(sqlite3.DataError):  # damage, which must not keep others out; `check` tells
            settle_day(connection, *day)
        connection.execute(_SETTLED, day)
        if time.monotonic() > deadline:
            break
    return True

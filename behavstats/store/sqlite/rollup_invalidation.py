"""Keeps rollups correct: drops the rollups of the hours and days to which page views are added.

A transaction that adds page views drops the rollups and records the day as stale, so that its
rollups are computed again later. The page views of a user are not counted, because that would slow
down light users. Instead, the day of one page view in a thousand, chosen by its instant, is
recorded as well. So a busy day is sure to be recorded soon.
"""

import sqlite3

from behavstats.model.timestamps import DAY, HOUR
from behavstats.store.sqlite.keyed_rows import KeyedRows, users_with_rows
from behavstats.store.sqlite.rollup_refresh import record_stale_days

SAMPLED = 1021
"""Page views are sampled if this divides their instant; a prime, for instants in whole seconds."""

_DROP = "DELETE FROM summary WHERE user = ? AND span = ? AND start = ?"


def invalidate_rollups(connection: sqlite3.Connection, added: KeyedRows) -> None:
    """Drop the rollups that rows belong to, within the write transaction that adds the rows."""
    summarised = users_with_rows(connection, "summary", added.users)
    rows = added.chosen(summarised, SAMPLED)
    days = {(user, instant - instant % DAY) for user, instant in rows if not instant % SAMPLED}
    for user, hour in {(user, at - at % HOUR) for user, at in rows if user in summarised}:
        day = hour - hour % DAY
        spans = ((user, HOUR, hour), (user, DAY, day))
        if sum(connection.execute(_DROP, span).rowcount for span in spans):
            days.add((user, day))
    if days:
        record_stale_days(connection, days)

"""Keeps rollups right: what adds page views drops the rollups of their hours and days.

That happens in the same transaction, which also records the day as stale, so that its rollups are
computed again later. No count is kept of a user's page views, which light users would pay for.
Instead, the day of one page view in a thousand, chosen by its instant, is recorded as well. So a
day is found to be a busy one by the time it is.
"""

import sqlite3

from behavstats.model.timestamps import DAY, HOUR
from behavstats.store.sqlite.keyed_rows import KeyedRows, users_with_rows
from behavstats.store.sqlite.rollup_refresh import record_stale_days

SAMPLED = 1021
"""Of the page views, those whose instant this divides; a prime, for instants in whole seconds."""

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

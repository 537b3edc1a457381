"""Reads and summarises the page views of one user, and counts all page views."""

from collections.abc import Iterator

import msgspec

from behavstats.errors import UnknownUser
from behavstats.model.page_view import PageView
from behavstats.model.profile import Window
from behavstats.model.summary import PageTally, Summary, summarise
from behavstats.store.sqlite.connection import Connection, json_array

# One statement reads one snapshot. It returns one row, because the interpreter's lock is released
# for each row. Page names hold no NUL. For a user with rollups, it returns no page views.
_WINDOW = """
SELECT summarised, CASE WHEN NOT summarised THEN (
    SELECT group_concat(ts || char(0) || name, char(0)) FROM (
        SELECT ts, name FROM page_view CROSS JOIN page ON page.id = page_view.page
        WHERE page_view.user = known.id AND ts > ?1 AND ts <= ?2
        ORDER BY ts, page_view.page
    )
) END
FROM (
    SELECT id, EXISTS (SELECT 1 FROM summary WHERE summary.user = user.id) AS summarised
    FROM user WHERE hash = ?3 AND user_id = ?4
) AS known
"""
_KEY = "SELECT id FROM user WHERE hash = ? AND user_id = ?"
_NAMES = "SELECT id, name FROM page WHERE id IN (SELECT value FROM json_each(?))"

_CHUNK = """
SELECT page_view.ts, page_view.page, page.name
FROM page_view JOIN page ON page.id = page_view.page
WHERE page_view.user = (SELECT id FROM user WHERE hash = ? AND user_id = ?)
  AND (page_view.ts, page_view.page) > (?, ?)
ORDER BY page_view.ts, page_view.page
LIMIT 10000
"""

_COUNTS = "SELECT (SELECT count(*) FROM page_view), (SELECT count(*) FROM summary)"
_NEWEST = "SELECT coalesce(max(ts), 0) FROM page_view"


def read_summary(connection: Connection, user_id: str, window: Window) -> Summary:
    """Return the summary of a user's page views in a window.

    Raises UnknownUser if the store holds no page view of the user at all. For a user with rollups,
    the summary has only the pages that can be among the ten most viewed.
    """
    hashed = connection.hasher.hash(user_id)
    row = connection.execute(_WINDOW, (window.start, window.as_of, hashed, user_id)).fetchone()
    if row is None:
        raise UnknownUser(user_id)
    summarised, views = row
    if summarised:
        return _read_summary_from_rollups(connection, user_id, window)
    texts = views.split("\0") if views else []
    return summarise([*map(int, texts[::2])], texts[1::2])


def _read_summary_from_rollups(connection: Connection, user_id: str, window: Window) -> Summary:
    from behavstats.model.summary_vectorized import (  # imports NumPy, which most users do not need
        merge_partials,
        top_candidates,
    )
    from behavstats.store.sqlite.rollups import partial_summaries

    connection.execute("BEGIN")  # one snapshot
    try:
        hashed = connection.hasher.hash(user_id)
        row = connection.execute(_KEY, (hashed, user_id)).fetchone()
        if row is None:
            raise UnknownUser(user_id)
        (user,) = row
        merged = merge_partials(
            [*partial_summaries(connection, user, window.start + 1, window.as_of + 1)]
        )
        columns = (column.tolist() for column in top_candidates(merged.tallies))
        pages = {page: PageTally(*tally) for page, *tally in zip(*columns, strict=True)}
        names = connection.execute(_NAMES, (json_array(pages),)).fetchall()
    finally:
        if connection.in_transaction:  # SQLite has rolled it back itself after some errors
            connection.execute("ROLLBACK")
    return msgspec.structs.replace(
        merged.summary, pages={name: pages[page] for page, name in names}
    )


def read_page_views(connection: Connection, user_id: str) -> Iterator[list[PageView]]:
    """Yield all page views of a user in order of time, some thousands in each list.

    Each list comes from a short read, so that a slow consumer does not keep the WAL from being
    truncated. Raises UnknownUser before the first list if there are no page views.
    """
    hashed = connection.hasher.hash(user_id)
    rows = connection.execute(_CHUNK, (hashed, user_id, -1, -1)).fetchall()
    if not rows:
        raise UnknownUser(user_id)
    while rows:
        yield [PageView(user_id, instant, name) for instant, _, name in rows]
        instant, page, _ = rows[-1]
        rows = connection.execute(_CHUNK, (hashed, user_id, instant, page)).fetchall()


def read_counts(connection: Connection) -> tuple[int, int]:
    """Return the number of page views and the number of rollups."""
    page_views, rollups = connection.execute(_COUNTS).fetchone()
    return page_views, rollups


def read_newest(connection: Connection) -> int:
    """Return the time of the newest page view in ms, or 0; reads all page views."""
    (instant,) = connection.execute(_NEWEST).fetchone()
    return int(instant)

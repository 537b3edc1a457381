"""Reading what is stored of one user."""

import sqlite3
from collections.abc import Iterator

from behavstats.errors import UnknownUser
from behavstats.events import PageView
from behavstats.profile import Summary, Window, summarise

# One statement is one snapshot: of a known user it returns at least one row (of NULLs where no view
# lies in the window), of an unknown one none. Views of one instant may come in any order.
_WINDOW = """
SELECT page_view.ts, page.name
FROM user
LEFT JOIN page_view ON page_view.user = user.id AND page_view.ts > ? AND page_view.ts <= ?
LEFT JOIN page ON page.id = page_view.page
WHERE user.user_id = ?
ORDER BY page_view.ts
"""

_CHUNK = """
SELECT page_view.ts, page_view.page, page.name
FROM page_view JOIN page ON page.id = page_view.page
WHERE page_view.user = (SELECT id FROM user WHERE user_id = ?)
  AND (page_view.ts, page_view.page) > (?, ?)
ORDER BY page_view.ts, page_view.page
LIMIT 10000
"""


def read_summary(connection: sqlite3.Connection, user_id: str, window: Window) -> Summary:
    """Return the summary of a user's page views in the window.

    Raises UnknownUser if no page view of the user is stored at all.
    """
    rows = connection.execute(_WINDOW, (window.start, window.as_of, user_id)).fetchall()
    if not rows:
        raise UnknownUser(user_id)
    return summarise(row for row in rows if row[0] is not None)


def read_page_views(connection: sqlite3.Connection, user_id: str) -> Iterator[list[PageView]]:
    """Yield all page views of a user, in order of time, some thousands at once.

    Each list is a read of its own: a slow consumer never keeps the WAL from being truncated.
    Raises UnknownUser before the first if there is none.
    """
    rows = connection.execute(_CHUNK, (user_id, -1, -1)).fetchall()
    if not rows:
        raise UnknownUser(user_id)
    while rows:
        yield [PageView(user_id, instant, name) for instant, _, name in rows]
        instant, page, _ = rows[-1]
        rows = connection.execute(_CHUNK, (user_id, instant, page)).fetchall()

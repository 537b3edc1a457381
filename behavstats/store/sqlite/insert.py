"""Inserts page views: replaces texts with keys, and inserts many rows per statement."""

from collections.abc import Sequence

from behavstats.model.page_view import PageView
from behavstats.store.sqlite.arrival_keys import without_stored_by_arrival
from behavstats.store.sqlite.connection import Connection
from behavstats.store.sqlite.deletion import keep_pages
from behavstats.store.sqlite.key_cache import Keys
from behavstats.store.sqlite.keyed_rows import FewRows, KeyedRows
from behavstats.store.sqlite.multi_row_insert import insert_rows
from behavstats.store.sqlite.rollup_invalidation import invalidate_rollups

_INSERT = "INSERT OR IGNORE INTO page_view (user, ts, page) VALUES "
_COLUMNS = 3


def insert_page_views(connection: Connection, keys: Keys, views: Sequence[PageView]) -> int:
    """Insert page views within the open write transaction; return how many are new."""
    users: Sequence[int] = keys.users.keys(connection, [view.user_id for view in views])
    users, views = without_stored_by_arrival(connection, users, views)
    pages = keys.pages.keys(connection, [view.name for view in views])
    instants = [view.instant for view in views]
    keys.trim()
    return insert_rows_of_page_views(connection, FewRows(zip(users, instants, pages, strict=True)))


def insert_rows_of_page_views(connection: Connection, rows: KeyedRows) -> int:
    """Insert rows within the open write transaction; return how many are new."""
    added = 0
    for values in rows.values():
        added += insert_rows(connection, _INSERT, _COLUMNS, values)
    keep_pages(connection, rows.pages)
    if added:
        invalidate_rollups(connection, rows)
    return added

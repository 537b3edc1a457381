"""Erasing a user: the rows, what is derived from them, and the bytes they leave behind."""

import sqlite3
from typing import NamedTuple

from behavstats.errors import UnknownUser
from behavstats.store import rejects
from behavstats.store.naming import Naming

# To be run before the user's page views are deleted.
_ERASE_PAGE_NAMES = """
UPDATE page SET name = NULL WHERE id IN (
    SELECT page FROM page_view WHERE user = :user
    EXCEPT
    SELECT page FROM page_view WHERE user <> :user
)
"""


class Receipt(NamedTuple):
    """What was erased of a user: how many page views, page names and rejected lines."""

    user_id: str
    page_views: int
    page_names: int
    rejected_lines: int


def erase_user(
    connection: sqlite3.Connection, user_id: str, erased: int, after: int, *, is_known: bool
) -> Receipt:
    """Erase all that the store holds of a user, within the open write transaction.

    Of the rejected lines, those behind one: so many were `erased` before. Raises UnknownUser if the
    store holds no page view of the user and no rejected line that gives the id as that of its user
    (`is_known` says that one did); then nothing is erased, since a mistyped id may be any word.
    """
    row = connection.execute("SELECT id FROM user WHERE user_id = ?", (user_id,)).fetchone()
    last = rejects.last_id(connection)
    found = [*rejects.lines_naming(connection, user_id, after, last)]
    if row is None and not is_known and not any(given for _, given in found):
        raise UnknownUser(user_id)
    erased += sum(rejects.blank(connection, ids) for ids, _ in found)
    ids = rejects.lines_of_sources_naming(connection, user_id, after, last)
    rejects.blank_sources(connection, ids)
    _erase_sources(connection, user_id)
    page_views, page_names = _erase_page_views(connection, row[0]) if row else (0, 0)
    return Receipt(user_id, page_views, page_names, erased)


def is_known(connection: sqlite3.Connection, user_id: str) -> bool:
    """Return whether the store holds a page view of a user."""
    query = "SELECT 1 FROM user WHERE user_id = ?"
    return connection.execute(query, (user_id,)).fetchone() is not None


def _erase_page_views(connection: sqlite3.Connection, user: int) -> tuple[int, int]:
    """Erase a user's row and page views; return how many those were, and how many names went."""
    page_names = connection.execute(_ERASE_PAGE_NAMES, {"user": user}).rowcount
    page_views = connection.execute("DELETE FROM page_view WHERE user = ?", (user,)).rowcount
    for table in ("summary", "unsettled_day", "dated_by_arrival"):
        connection.execute(f"DELETE FROM {table} WHERE user = ?", (user,))  # noqa: S608
    connection.execute("UPDATE user SET user_id = NULL WHERE id = ?", (user,))
    # An index holds its texts in order, so growing moved some of them to other pages of the file;
    # rebuilt, it leaves no copies of what is gone (see `tables`).
    connection.execute("REINDEX user")
    if page_names:
        connection.execute("REINDEX page")
    return page_views, page_names


def _erase_sources(connection: sqlite3.Connection, user_id: str) -> None:
    """Erase the names of followed files that name a user; the lines that were in them stay."""
    naming = Naming(user_id)
    followed = connection.execute("SELECT id, name FROM source WHERE name IS NOT NULL").fetchall()
    erased = [(source,) for source, name in followed if naming.is_in(name)]
    connection.executemany("UPDATE source SET name = NULL WHERE id = ?", erased)

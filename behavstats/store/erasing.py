"""Erasing a user: the rows, what is derived from them, and the bytes they leave behind."""

import sqlite3
from typing import NamedTuple

from behavstats.errors import UnknownUser
from behavstats.events import names_user

# To be run before the user's page views are deleted.
_ERASE_PAGE_NAMES = """
UPDATE page SET name = NULL WHERE id IN (
    SELECT page FROM page_view WHERE user = :user
    EXCEPT
    SELECT page FROM page_view WHERE user <> :user
)
"""
_ERASE_REJECTED_LINE = """
UPDATE rejected_line
SET digest = NULL, source = NULL, line = NULL, "offset" = NULL, length = NULL,
    reason = NULL, message = NULL, text = NULL
WHERE id = ?
"""


class Receipt(NamedTuple):
    """What was erased of a user: how many page views, page names and rejected lines."""

    user_id: str
    page_views: int
    page_names: int
    rejected_lines: int


def erase_user(connection: sqlite3.Connection, user_id: str) -> Receipt:
    """Erase all that the store holds of a user, within the open write transaction.

    Raises UnknownUser if that is nothing: neither a page view nor a rejected line.
    """
    row = connection.execute("SELECT id FROM user WHERE user_id = ?", (user_id,)).fetchone()
    rejected_lines = _erase_rejected_lines(connection, user_id)
    if row is None and not rejected_lines:
        raise UnknownUser(user_id)
    user = {"user": row[0] if row else None}
    page_names = connection.execute(_ERASE_PAGE_NAMES, user).rowcount
    page_views = connection.execute("DELETE FROM page_view WHERE user = :user", user).rowcount
    connection.execute("UPDATE user SET user_id = NULL WHERE id = :user", user)
    # An index holds its texts in order, so growing moved some of them to other pages of the file;
    # rebuilt, it leaves no copies of what is gone (see `tables`).
    for table in ("user", "page", "rejected_line"):
        connection.execute(f"REINDEX {table}")
    return Receipt(user_id, page_views, page_names, rejected_lines)


def _erase_rejected_lines(connection: sqlite3.Connection, user_id: str) -> int:
    lines = connection.execute("SELECT id, source, text FROM rejected_line WHERE text IS NOT NULL")
    found = [
        (line,)
        for line, source, text in lines
        if names_user(source, user_id) or names_user(text.decode(errors="replace"), user_id)
    ]
    connection.executemany(_ERASE_REJECTED_LINE, found)
    return len(found)

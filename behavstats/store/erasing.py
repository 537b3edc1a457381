"""Erasing a user: the rows, what is derived from them, and the bytes they leave behind."""

import re
import sqlite3
from typing import NamedTuple

from behavstats.errors import UnknownUser
from behavstats.settings import system_clock
from behavstats.store.erased import remember
from behavstats.store.hashing import Hasher

# To be run before the user's page views are deleted.
_ERASE_PAGE_NAMES = """
UPDATE page SET name = NULL WHERE id IN (
    SELECT page FROM page_view WHERE user = :user
    EXCEPT
    SELECT page FROM page_view WHERE user <> :user
)
"""
# Of the lines, those that can name a user: they hold the id, or a backslash that may hide it.
_SUSPECTS = """
SELECT id, text FROM rejected_line WHERE instr(text, :user_id) OR instr(text, x'5C')
"""
# A user's id as the whole value of its key, in JSON or in what was meant to be JSON.
_KEY = r"""(?i:(?:user|anonymous)_?id)["']?\s*[:=]\s*"""
_AS_USER = _KEY + r"""(?:(["']){id}(?:\1|\Z)|{id}(?:[\s,;&}}]|\Z))"""
_ERASE_LINE = """
UPDATE rejected_line
SET digest = NULL, source = NULL, line = NULL, "offset" = NULL, length = NULL,
    reason = NULL, message = NULL, text = NULL
WHERE id = ?
"""
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class Receipt(NamedTuple):
    """What was erased of a user: how many page views, page names and rejected lines."""

    user_id: str
    page_views: int
    page_names: int
    rejected_lines: int


def erase_user(connection: sqlite3.Connection, user_id: str) -> Receipt:
    """Erase all that the store holds of a user, within the open write transaction.

    Raises UnknownUser if the store holds no page view of the user and no rejected line that gives
    the id as that of its user; then nothing is erased, since a mistyped id may be any word.
    """
    row = connection.execute("SELECT id FROM user WHERE user_id = ?", (user_id,)).fetchone()
    lines, given = _lines_that_name(connection, user_id)
    if row is None and not given:
        raise UnknownUser(user_id)
    connection.executemany(_ERASE_LINE, lines)
    _erase_sources(connection, user_id)
    if row is not None:
        (secret,) = connection.execute("SELECT secret FROM store").fetchone()
        remember(connection, Hasher(secret).digest(user_id), row[0], system_clock())
    page_views, page_names = _erase_page_views(connection, row[0]) if row else (0, 0)
    return Receipt(user_id, page_views, page_names, len(lines))


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


def _lines_that_name(connection: sqlite3.Connection, user_id: str) -> tuple[list[tuple[int]], bool]:
    """Find the rejected lines that name a user; say whether one gives the id as its user's."""
    word = re.compile(_word(user_id))
    as_user = re.compile(_AS_USER.format(id=re.escape(user_id)))
    lines: list[tuple[int]] = []
    given = False
    for line, text in connection.execute(_SUSPECTS, {"user_id": user_id.encode()}):
        readings = _readings(text)
        if word.search(readings):
            lines.append((line,))
            given = given or bool(as_user.search(readings))
    return lines, given


def _erase_sources(connection: sqlite3.Connection, user_id: str) -> None:
    """Erase the names of files that name a user; the lines that were in them stay."""
    word = re.compile(_word(user_id))
    sources = connection.execute("SELECT DISTINCT source FROM rejected_line").fetchall()
    named = [row for row in sources if row[0] and word.search(row[0])]
    connection.executemany("UPDATE rejected_line SET source = '' WHERE source = ?", named)
    followed = connection.execute("SELECT id, name FROM source WHERE name IS NOT NULL").fetchall()
    erased = [(source,) for source, name in followed if word.search(name)]
    connection.executemany("UPDATE source SET name = NULL WHERE id = ?", erased)


def _word(user_id: str) -> str:
    """Return a pattern of the id as a word: `anna` is not found in `joanna`."""
    before = r"(?<!\w)" if re.match(r"\w", user_id) else ""
    after = r"(?!\w)" if re.search(r"\w\Z", user_id) else ""
    return before + re.escape(user_id) + after


def _readings(line: bytes) -> str:
    """Return a line as it stands and, where that is something else, with JSON's escapes undone.

    Anywhere in the line, since it need not be JSON.
    """
    text = line.decode(errors="replace")
    if "\\" not in text:
        return text
    characters = re.sub(r"\\(u[0-9a-fA-F]{4}|.)", _character, text)
    # A pair of surrogates is one character only after a round trip through UTF-16.
    return text + "\n" + characters.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _character(escape: re.Match[str]) -> str:
    code = escape[1]
    return chr(int(code[1:], 16)) if len(code) > 1 else _ESCAPES.get(code, code)

"""Erasing a user: page views, what names the user, and the bytes that all of it leaves behind."""

import re
import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from behavstats.errors import UnknownUser
from behavstats.store.database import Access
from behavstats.store.deleting import begin, counts, finish, in_parts, is_known, note_told

_LINES_AT_ONCE = 16  # of at most 1 MiB

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


def erase_user(store: Access, user_id: str) -> Receipt:
    """Erase all that the store holds of a user, in short transactions.

    Rejected lines go first: to finish the rest, the id need not be known. Raises UnknownUser if the
    store holds no page view of the user and no rejected line that gives the id as that of its user;
    then nothing is erased, since a mistyped id may be any word.
    """
    with store.reading() as connection:
        lines, given = find_lines(connection, user_id)
        if not given and not is_known(connection, user_id):
            raise UnknownUser(user_id)
        named = find_sources(connection, user_id)
    for some in in_parts(lines, _LINES_AT_ONCE):
        with store.writing() as connection:
            blank_lines(connection, some)
    if any(named):
        with store.writing() as connection:
            blank_sources(connection, *named)
    users = begin(store, user_id, len(lines))
    for user in users:
        finish(store, user)
    erased = counts(store, users) if users else (0, 0, len(lines))
    receipt = Receipt(user_id, *erased)
    store.overwrite(f"{receipt.page_views:,} page views")
    note_told(store, users)
    return receipt


# Rejected lines, and names of files, that name a user.


def find_lines(connection: sqlite3.Connection, user_id: str) -> tuple[list[int], bool]:
    """Find the rejected lines that name a user; say whether one gives the id as its user's."""
    word = re.compile(_word(user_id))
    as_user = re.compile(_AS_USER.format(id=re.escape(user_id)))
    lines: list[int] = []
    given = False
    for line, text in connection.execute(_SUSPECTS, {"user_id": user_id.encode()}):
        readings = _readings(text)
        if word.search(readings):
            lines.append(line)
            given = given or bool(as_user.search(readings))
    return lines, given


def blank_lines(connection: sqlite3.Connection, lines: Sequence[int]) -> None:
    """Erase rejected lines by their ids, within the open write transaction."""
    connection.executemany(_ERASE_LINE, [(line,) for line in lines])


def find_sources(
    connection: sqlite3.Connection, user_id: str
) -> tuple[list[tuple[str]], list[tuple[int]]]:
    """Find names of files that name a user: those of rejected lines, and ids of followed ones."""
    word = re.compile(_word(user_id))
    sources = connection.execute("SELECT DISTINCT source FROM rejected_line").fetchall()
    followed = connection.execute("SELECT id, name FROM source WHERE name IS NOT NULL").fetchall()
    return (
        [row for row in sources if row[0] and word.search(row[0])],
        [(source,) for source, name in followed if word.search(name)],
    )


def blank_sources(
    connection: sqlite3.Connection, of_lines: list[tuple[str]], followed: list[tuple[int]]
) -> None:
    """Erase names of files, within the open write transaction; the lines that were in them stay."""
    connection.executemany("UPDATE rejected_line SET source = '' WHERE source = ?", of_lines)
    connection.executemany("UPDATE source SET name = NULL WHERE id = ?", followed)


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

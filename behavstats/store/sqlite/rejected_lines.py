"""The rows of rejected lines: inserts, reads and blanks them, and finds lines that mention a user.

A line that is dropped is blanked: its row is overwritten in place, which moves no other row. The
module `eviction` deletes blank rows among blank rows. `reject_sender` counts what is kept of each
sender.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

from behavstats.model.page_view import Rejection
from behavstats.store.base import Group, Selection, Totals
from behavstats.store.sqlite.connection import json_array
from behavstats.store.sqlite.user_mentions import Mention, MentionFinder

if TYPE_CHECKING:
    from sqlalchemy import Engine

_CHUNK = 64  # lines of at most 1 MiB: what is held in memory at once
_FOUND_AT_ONCE = 1_000

_FIND = "SELECT id, arrived FROM rejected_line WHERE digest = ?"
_INSERT = """
INSERT INTO rejected_line
    (source, line, "offset", length, reason, message, text, arrived, sender, digest)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_COUNT_KEPT = """
INSERT INTO reject_sender (sender, since, lines, bytes, dropped_lines, dropped_bytes)
VALUES (?, ?, ?, ?, 0, 0)
ON CONFLICT (sender) DO UPDATE SET lines = lines + excluded.lines, bytes = bytes + excluded.bytes
"""
_TO_BLANK = """
SELECT sender, count(*), sum(length(text))
FROM json_each(?) AS chosen CROSS JOIN rejected_line ON rejected_line.id = chosen.value
WHERE text IS NOT NULL GROUP BY sender
"""
_BLANK = """
UPDATE rejected_line
SET digest = NULL, source = NULL, line = NULL, "offset" = NULL, length = NULL,
    reason = NULL, message = NULL, text = NULL, arrived = NULL, sender = NULL
WHERE id = ?
"""
_COUNT_BLANKED = """
UPDATE reject_sender
SET lines = lines - ?2, bytes = bytes - ?3,
    dropped_lines = dropped_lines + ?2 * ?4, dropped_bytes = dropped_bytes + ?3 * ?4
WHERE sender = ?1
"""
# Lines that can mention a user: they hold the id, or a backslash that may escape a part of it.
_CANDIDATES = """
SELECT id, text FROM rejected_line
WHERE id > ? AND id <= ? AND (instr(text, ?) OR instr(text, x'5C')) ORDER BY id
"""
_SOURCES = "SELECT DISTINCT source FROM rejected_line WHERE id > ? AND id <= ? AND source <> ''"
_OF_SOURCE = "SELECT id FROM rejected_line WHERE id > ? AND id <= ? AND source = ?"
_SELECTED = """
FROM rejected_line WHERE text IS NOT NULL AND id <= :up_to
AND (:source IS NULL OR source IN (:source, :path)) AND (:reason IS NULL OR reason = :reason)
"""
_GROUPS = f"""
SELECT source, reason, count(*), min(arrived), max(arrived) {_SELECTED}
GROUP BY source, reason ORDER BY source, count(*) DESC, reason
"""
_SELECTED_IDS = f"""
SELECT id {_SELECTED} AND id > :after AND (:whole OR length = length(text)) ORDER BY id LIMIT :most
"""
_ALL = (1 << 63) - 1


def insert_rejections(
    connection: sqlite3.Connection, rejections: Sequence[Rejection], now: int
) -> None:
    """Keep rejected lines, each once, within the open write transaction.

    A line that is kept already gets a new number after all others, so that an exported line can be
    distinguished from a line that was rejected again since. The time of its first arrival stays.
    `now`, in ms, stands for the time of arrival if no line has one.
    """
    rows: dict[bytes, Rejection] = {}
    for rejection in rejections:
        rows.setdefault(_digest(rejection), rejection)
    again: list[int] = []
    for digest, rejection in rows.items():
        known = connection.execute(_FIND, (digest,)).fetchone()
        if known is not None:
            again.append(known[0])
            rows[digest] = rejection._replace(arrived=known[1] or rejection.arrived)
    blank(connection, again)
    connection.executemany(_INSERT, ((*row, digest) for digest, row in rows.items()))
    kept: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0])
    for row in rows.values():
        kept[row.sender][0] += 1
        kept[row.sender][1] += len(row.text)
    arrived = newest(rejections) or now
    connection.executemany(_COUNT_KEPT, ((sender, arrived, *of) for sender, of in kept.items()))


def newest(rejections: Iterable[Rejection]) -> int:
    """Return when the last line arrived, in ms; 0 if no time of arrival is known."""
    return max((rejection.arrived or 0 for rejection in rejections), default=0)


def blank(connection: sqlite3.Connection, ids: Sequence[int], *, dropped: bool = False) -> int:
    """Overwrite rejected lines within the open write transaction; return how many there were.

    If `dropped`, the lines count as dropped because of the bounds.
    """
    if not ids:
        return 0
    counts = connection.execute(_TO_BLANK, (json_array(ids),)).fetchall()
    connection.executemany(_BLANK, ((line,) for line in ids))
    connection.executemany(_COUNT_BLANKED, ((*count, dropped) for count in counts))
    return sum(lines for _, lines, _ in counts)


def last_id(connection: sqlite3.Connection) -> int:
    """Return the highest number of a rejected line; all later lines get higher ones."""
    row = connection.execute("SELECT max(id) FROM rejected_line").fetchone()
    return int(row[0] or 0)


def lines_mentioning(
    connection: sqlite3.Connection, user_id: str, after: int, up_to: int
) -> Iterator[tuple[list[int], bool]]:
    """Yield, some at a time, the numbers of lines in a range that mention a user.

    The flag with each list says whether one of the lines is the user's own. Reads each line once.
    """
    finder = MentionFinder(user_id)
    ids: list[int] = []
    is_any_own = False
    for line, text in connection.execute(_CANDIDATES, (after, up_to, user_id.encode())):
        mention = finder.mention(text)
        if mention is not Mention.NOT:
            ids.append(line)
            is_any_own = is_any_own or mention is Mention.AS_USER
            if len(ids) >= _FOUND_AT_ONCE:
                yield ids, is_any_own
                ids, is_any_own = [], False
    yield ids, is_any_own


def lines_of_sources_mentioning(
    connection: sqlite3.Connection, user_id: str, after: int, up_to: int
) -> list[int]:
    """Return the numbers of lines in a range whose source's name mentions a user."""
    finder = MentionFinder(user_id)
    sources = connection.execute(_SOURCES, (after, up_to)).fetchall()
    return [
        line
        for (source,) in sources
        if finder.is_in(source)
        for (line,) in connection.execute(_OF_SOURCE, (after, up_to, source))
    ]


def blank_sources(connection: sqlite3.Connection, ids: Sequence[int]) -> None:
    """Overwrite the names of the sources of rejected lines; the lines stay."""
    statement = "UPDATE rejected_line SET source = '' WHERE id = ? AND source IS NOT NULL"
    connection.executemany(statement, ((line,) for line in ids))


def totals(connection: sqlite3.Connection) -> Totals:
    """Return how many lines and bytes are kept and were dropped, of all senders together."""
    row = connection.execute(
        "SELECT coalesce(sum(lines), 0), coalesce(sum(bytes), 0), coalesce(sum(dropped_lines), 0),"
        " coalesce(sum(dropped_bytes), 0), min(since) FILTER (WHERE dropped_lines) "
        "FROM reject_sender"
    ).fetchone()
    return Totals(*row)


def groups(connection: sqlite3.Connection, selection: Selection) -> list[Group]:
    """Return how many lines of each source were rejected for each reason, and when."""
    names = selection._asdict() | {"up_to": _ALL}
    return [Group(*row) for row in connection.execute(_GROUPS, names)]


def selected_ids(
    connection: sqlite3.Connection, selection: Selection, up_to: int | None, *, whole: bool
) -> list[int]:
    """Return the numbers of the lines of a selection, up to `up_to` if that is given.

    Unless `whole`, leaves out lines of which only the beginning is kept.
    """
    limits = {"after": 0, "up_to": _ALL if up_to is None else up_to, "whole": whole, "most": -1}
    return [line for (line,) in connection.execute(_SELECTED_IDS, selection._asdict() | limits)]


def read_rejections(engine: "Engine", selection: Selection) -> Iterator[tuple[int, Rejection]]:
    """Yield rejected lines with their numbers, in the order in which they came, in short reads."""
    from sqlmodel import Session, col, select

    from behavstats.store.sqlite.tables import RejectedLine

    lines = select(RejectedLine).where(col(RejectedLine.text).is_not(None))
    if selection.source is not None:
        lines = lines.where(col(RejectedLine.source).in_([selection.source, selection.path]))
    if selection.reason is not None:
        lines = lines.where(col(RejectedLine.reason) == selection.reason)
    last: int | None = 0
    while last is not None:
        following = lines.where(col(RejectedLine.id) > last).order_by(col(RejectedLine.id))
        with Session(engine) as session:
            rows = session.exec(following.limit(_CHUNK)).all()
        last = rows[-1].id if rows else None
        for row in rows:
            # Only blank rows have empty fields, and these are not read.
            yield row.id or 0, Rejection(**row.model_dump(exclude={"id", "digest"}))


def _digest(rejection: Rejection) -> bytes:
    where = f"{rejection.source}\n{rejection.line}\n".encode(errors="surrogateescape")
    return blake2b(where + rejection.text, digest_size=16).digest()

"""Evicts rejected lines beyond the bounds, the oldest first, and deletes blank rows.

The sender that holds most loses lines first, and a sender over HTTP may hold at most a quarter of
the bounds. So one sender cannot push out the lines of other senders.

An evicted line is blanked in place. Blank rows are deleted as well, but only in the middle of a
long range of them: deleting makes SQLite join a page with its neighbours, and the rows it moves
leave copies in unused space, which no later erasure reaches. So no page that a deletion can touch
may hold a line.
"""

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from behavstats.model.page_view import FILE_SENDER
from behavstats.model.retention import Bounds
from behavstats.store.sqlite.rejected_lines import blank

_SHARE = 4  # each sender over HTTP may use one of so many parts of the bounds
# The limits of one call of `evict`.
_MOST_LINES = 1_000
_MOST_BYTES = 512 * 1024
_SMALLEST_ROW = 14  # bytes that a blank row takes in a page, at least
_PAGES = 3  # the most that SQLite joins when a row is deleted
_DELETED_AT_ONCE = 1_000

_SENDERS = "SELECT sender, since, lines, bytes FROM reject_sender WHERE lines > 0"
_OLDEST = """
SELECT id, length(text) FROM rejected_line
WHERE sender = ? AND text IS NOT NULL ORDER BY id LIMIT ?
"""
_OLDEST_ARRIVALS = """
SELECT id, coalesce(arrived, ?) FROM rejected_line
WHERE sender = ? AND text IS NOT NULL ORDER BY id LIMIT ?
"""
# Gaps of so many numbers between lines; only the numbers are read, from the index.
_GAPS = """
SELECT before, id FROM (
    SELECT id, lag(id, 1, 0) OVER (ORDER BY id) AS before
    FROM rejected_line INDEXED BY ix_rejected_line_sender WHERE text IS NOT NULL
    UNION ALL SELECT (SELECT max(id) + 1 FROM rejected_line),
        (SELECT coalesce(max(id), 0) FROM rejected_line WHERE text IS NOT NULL)
)
WHERE id - before > ? ORDER BY id
"""
_BEHIND = "SELECT id FROM rejected_line WHERE id > ? ORDER BY id LIMIT 1 OFFSET ?"
_BEFORE = "SELECT id FROM rejected_line WHERE id < ? ORDER BY id DESC LIMIT 1 OFFSET ?"
_DELETE = """
DELETE FROM rejected_line WHERE text IS NULL AND id IN (
    SELECT id FROM rejected_line WHERE id >= ? AND id <= ? ORDER BY id LIMIT ?
)
"""


class _Sender(NamedTuple):
    """The number and size of the kept lines of a sender, counted since an instant in ms."""

    sender: int
    since: int
    lines: int
    bytes: int

    def over(self, lines: int, size: int) -> tuple[int, int]:
        """Return how many lines and bytes this is over a bound."""
        return max(0, self.lines - lines), max(0, self.bytes - size)


class BlankRange(NamedTuple):
    """Blank rows that may be deleted, by the first and the last number."""

    first: int
    last: int


def evict(connection: sqlite3.Connection, bounds: Bounds) -> int:
    """Blank some lines that are over the bounds in number or bytes; return how many.

    Works within the open write transaction, for a short time; call it again for more.
    """
    found = _overfull(connection, bounds)
    if found is None:
        return 0
    sender, lines, size = found
    ids: list[int] = []
    selected_bytes = 0
    for line, length in connection.execute(_OLDEST, (sender, _MOST_LINES)).fetchall():
        if (len(ids) >= lines and selected_bytes >= size) or selected_bytes >= _MOST_BYTES:
            break
        ids.append(line)
        selected_bytes += length
    return blank(connection, ids, dropped=True)


def expire(connection: sqlite3.Connection, bounds: Bounds, now: int) -> int:
    """Blank some lines that are too old at an instant in ms; return how many."""
    for sender in _senders(connection):
        ids = _expired(connection, sender, now - bounds.age)
        if ids:
            return blank(connection, ids, dropped=True)
    return 0


def is_due(connection: sqlite3.Connection, bounds: Bounds, now: int) -> bool:
    """Return whether lines are beyond the bounds at an instant in ms."""
    return _overfull(connection, bounds) is not None or any(
        _is_expired(connection, sender, now - bounds.age) for sender in _senders(connection)
    )


def blank_ranges(connection: sqlite3.Connection) -> Iterator[BlankRange]:
    """Yield the ranges of blank rows that may be deleted.

    For a connection that only reads: a blank row stays blank, and new rows come after all others.
    """
    (page_size,) = connection.execute("PRAGMA page_size").fetchone()
    margin = _PAGES * page_size // _SMALLEST_ROW + 1
    for before, behind in connection.execute(_GAPS, (2 * margin,)).fetchall():
        # Before the first row of the table, there is nothing that SQLite could move.
        offset = margin if before else 0
        first = connection.execute(_BEHIND, (before, offset)).fetchone()
        last = connection.execute(_BEFORE, (behind, margin)).fetchone()
        if first and last and before < first[0] <= last[0] < behind:
            yield BlankRange(first[0], last[0])


def delete_some(connection: sqlite3.Connection, rows: BlankRange) -> int:
    """Delete some blank rows within the open write transaction; return how many."""
    return connection.execute(_DELETE, (*rows, _DELETED_AT_ONCE)).rowcount


def _senders(connection: sqlite3.Connection) -> list[_Sender]:
    return [_Sender(*row) for row in connection.execute(_SENDERS)]


def _overfull(connection: sqlite3.Connection, bounds: Bounds) -> tuple[int, int, int] | None:
    """Return the sender that loses lines next, and how many lines and bytes; None within bounds."""
    senders = _senders(connection)
    most = max(
        senders,
        key=lambda sender: max(sender.lines / bounds.lines, sender.bytes / bounds.bytes),
        default=None,
    )
    if most is None:
        return None
    for sender in senders:
        over = sender.over(bounds.lines // _SHARE, bounds.bytes // _SHARE)
        if sender.sender != FILE_SENDER and any(over):
            return sender.sender, *over
    lines = sum(sender.lines for sender in senders) - bounds.lines
    size = sum(sender.bytes for sender in senders) - bounds.bytes
    return (most.sender, lines, size) if max(lines, size) > 0 else None


def _is_expired(connection: sqlite3.Connection, sender: _Sender, before: int) -> bool:
    row = connection.execute(_OLDEST_ARRIVALS, (sender.since, sender.sender, 1)).fetchone()
    return row is not None and row[1] < before


def _expired(connection: sqlite3.Connection, sender: _Sender, before: int) -> list[int]:
    """Return some of a sender's lines that arrived before an instant in ms, the oldest first."""
    if not _is_expired(connection, sender, before):
        return []
    asked = (sender.since, sender.sender, 100)
    ids: list[int] = []
    for line, arrived in connection.execute(_OLDEST_ARRIVALS, asked):
        if arrived >= before:
            break
        ids.append(line)
    return ids

"""The rows of source offsets, written in the transactions that store the lines of the files."""

import sqlite3
from collections.abc import Iterator, Sequence

from behavstats.errors import OffsetConflict, UnknownSource
from behavstats.store.base import Checkpoint, OffsetUpdate, SourceOffset
from behavstats.store.sqlite import erased_users

_COLUMNS = """
progress.id, source.name, device, inode, "offset", lines, head, tail, tail_length, rejected, size,
modified, taken, begun_again.progress IS NOT NULL, anew
"""
_SELECT = f"""
SELECT {_COLUMNS} FROM progress JOIN source ON source.id = progress.source
LEFT JOIN begun_again ON begun_again.progress = progress.id
"""  # noqa: S608
_OF_FILE = _SELECT + "WHERE device = ? AND inode = ?"
_OF_BEGINNINGS = _SELECT + 'WHERE head IN ({}) ORDER BY "offset" DESC LIMIT 100'

_INSERT = """
INSERT OR IGNORE INTO progress (
    source, "offset", lines, head, tail, tail_length, rejected, size, modified, taken, device, inode
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_UPDATE = """
UPDATE progress
SET source = ?, "offset" = ?, lines = ?, head = ?, tail = ?, tail_length = ?, rejected = ?,
    size = ?, modified = ?, taken = ?
WHERE device = ? AND inode = ? AND "offset" = ?
"""
_NAME = """
SELECT source.id, source.name FROM progress JOIN source ON source.id = progress.source
WHERE device = ? AND inode = ?
"""
_LAST_TAKEN = """
SELECT max(taken) FROM progress JOIN source ON source.id = progress.source
WHERE substr(name, 1, length(?1)) = ?1
"""

_ASKED = "SELECT source, since FROM asked JOIN source ON source.id = source WHERE name = ?"
_ASKED_LONG_AGO = """
SELECT source FROM asked JOIN source ON source.id = source
WHERE name IS NOT NULL ORDER BY since DESC, source DESC LIMIT -1 OFFSET ?
"""
_MOST_ASKED = 10_000  # names that are remembered

_ALL = 1 << 64  # the number of different devices or inodes

# The number of contents without a file that are remembered, so that copies of them are recognised.
_REMEMBERED = 1_000
_ATTACH = "UPDATE OR IGNORE progress SET device = ?, inode = ?, modified = NULL WHERE id = ?"
_DETACH = """
UPDATE progress SET device = NULL, inode = NULL, size = "offset", modified = NULL WHERE id = ?
"""
_LONG_GONE = """
SELECT id FROM progress WHERE device IS NULL ORDER BY taken DESC, id DESC LIMIT -1 OFFSET ?
"""


def advance(connection: sqlite3.Connection, updates: Sequence[OffsetUpdate]) -> None:
    """Store new offsets of files, within the transaction that stores the lines before them.

    Raises OffsetConflict if another process has stored a newer offset of one of the files.
    """
    for update in updates:
        file = _signed(update.device, update.inode)
        values = (
            _source(connection, update.name, file),
            *update.checkpoint,
            update.rejected,
            update.size,
            update.modified,
            update.taken,
            *file,
        )
        if update.expected is None:
            done = connection.execute(_INSERT, values)
        else:
            done = connection.execute(_UPDATE, (*values, update.expected))
        if done.rowcount != 1:
            raise OffsetConflict(update.name)
        if update.expected is None and update.is_read_again:
            again = (done.lastrowid, update.read_again_at)
            connection.execute("INSERT INTO begun_again (progress, anew) VALUES (?, ?)", again)


def find(connection: sqlite3.Connection, device: int, inode: int) -> SourceOffset | None:
    """Return the offset of a file, or None if nothing of it has been ingested."""
    return next(_read(connection, _OF_FILE, _signed(device, inode)), None)


def find_by_prefixes(
    connection: sqlite3.Connection, prefixes: Sequence[bytes]
) -> list[SourceOffset]:
    """Return the offsets of files with one of these prefix digests, the largest first."""
    return [*_read(connection, _OF_BEGINNINGS.format(", ".join("?" * len(prefixes))), prefixes)]


def read_all(connection: sqlite3.Connection) -> list[SourceOffset]:
    """Return all source offsets, sorted by name."""
    return sorted(_read(connection, _SELECT, ()), key=lambda source: source.name or "")


def asked_since(connection: sqlite3.Connection, name: str) -> int | None:
    """Return since when (ms) a name has been watched, or None if it never has."""
    row = connection.execute(_ASKED, (name,)).fetchone()
    return None if row is None else int(row[1])


def ask(connection: sqlite3.Connection, names: Sequence[str], now: int) -> None:
    """Record that names are watched since `now` (ms), unless an earlier time is stored.

    If files below a new name have been ingested before, the time of the last of them is stored.
    """
    for name in names:
        known = connection.execute(_ASKED, (name,)).fetchone()
        if known is not None:  # the stored time may come from a clock that was ahead
            values = (now, known[0])
            connection.execute("UPDATE asked SET since = min(since, ?) WHERE source = ?", values)
            continue
        (taken,) = connection.execute(_LAST_TAKEN, (name,)).fetchone()
        since = now if taken is None else min(taken, now)
        connection.execute("INSERT INTO source (name) VALUES (?)", (name,))
        connection.execute("INSERT INTO asked VALUES (last_insert_rowid(), ?)", (since,))
    erased = "DELETE FROM asked WHERE source IN (SELECT id FROM source WHERE name IS NULL)"
    connection.execute(erased)
    for (source,) in connection.execute(_ASKED_LONG_AGO, (_MOST_ASKED,)).fetchall():
        _delete_asked(connection, source)


def mark_rotated(connection: sqlite3.Connection, device: int, inode: int) -> None:
    """Record that a file was read from its beginning because it had been rotated."""
    statement = """
UPDATE begun_again SET anew = NULL
WHERE progress = (SELECT id FROM progress WHERE device = ? AND inode = ?)
"""
    connection.execute(statement, _signed(device, inode))


def move(connection: sqlite3.Connection, progress: int, file: tuple[int, int] | None) -> None:
    """Record that a content is now in another file (device and inode), or in no file.

    The latest contents without a file are remembered, so that copies of them are recognised.
    """
    if file is not None:
        if connection.execute(_ATTACH, (*_signed(*file), progress)).rowcount != 1:
            raise OffsetConflict("a rotated file")
        return
    connection.execute(_DETACH, (progress,))
    _delete(connection, [gone for (gone,) in connection.execute(_LONG_GONE, (_REMEMBERED,))])


def forget(connection: sqlite3.Connection, name: str) -> None:
    """Delete the offsets of the files with this name. Raise UnknownSource if there are none."""
    found = [source.id for source in _read(connection, _SELECT + "WHERE name = ?", (name,))]
    asked = connection.execute(_ASKED, (name,)).fetchall()
    if not (found or asked):
        raise UnknownSource(name)
    _delete(connection, found)
    for source, _ in asked:
        _delete_asked(connection, source)


def _read(
    connection: sqlite3.Connection, statement: str, values: Sequence[object]
) -> Iterator[SourceOffset]:
    for row in connection.execute(statement, values).fetchall():
        (
            key,
            name,
            device,
            inode,
            offset,
            lines,
            prefix,
            suffix,
            suffix_length,
            *rest,
            again,
            read_again_at,
        ) = row
        checkpoint = Checkpoint(offset, lines, prefix, suffix, suffix_length)
        if device is not None:
            device, inode = device % _ALL, inode % _ALL
        source = SourceOffset(key, name, device, inode, checkpoint, *rest)
        yield source._replace(is_read_again=bool(again), read_again_at=read_again_at)


def _source(connection: sqlite3.Connection, name: str, file: tuple[int, int]) -> int | None:
    """Return the key of a file's name; an erased name stays erased."""
    known = connection.execute(_NAME, file).fetchone()
    if known is not None:
        key, before = known
        if before is None or before == name:
            return int(key)
        _erase_name(connection, key)
    return connection.execute("INSERT INTO source (name) VALUES (?)", (name,)).lastrowid


def _erase_name(connection: sqlite3.Connection, source: int) -> None:
    """Overwrite a name in place. Deleting its row might leave copies of neighbouring rows."""
    connection.execute("UPDATE source SET name = NULL WHERE id = ?", (source,))


def _delete(connection: sqlite3.Connection, progress: Sequence[int]) -> None:
    for one in progress:
        row = connection.execute("SELECT source FROM progress WHERE id = ?", (one,)).fetchone()
        _erase_name(connection, row[0])
        connection.execute("DELETE FROM begun_again WHERE progress = ?", (one,))
        connection.execute("DELETE FROM progress WHERE id = ?", (one,))
    if progress:
        erased_users.drop_needless(connection)


def _delete_asked(connection: sqlite3.Connection, source: int) -> None:
    _erase_name(connection, source)
    connection.execute("DELETE FROM asked WHERE source = ?", (source,))


def _signed(device: int, inode: int) -> tuple[int, int]:
    """Return device and inode as signed integers, since some file systems use all 64 bits."""
    return (device + _ALL // 2) % _ALL - _ALL // 2, (inode + _ALL // 2) % _ALL - _ALL // 2

"""Checks whether a write-ahead log belongs to the store next to it.

SQLite cannot tell: it copies any log with correct checksums into any file of that name. So the only
row of the table `store` has a random `state`. The first transaction in an emptied log gives the
store a new state, and keeps the previous state in `follows`. Therefore the state in the store's
file also occurs in the log that belongs to it, either as the new state or as the previous one. The
state of any other file does not occur in this log; even a backup gets a state of its own.

The log can be read as an ordinary file: SQLite has no locks on it that closing it would drop.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from behavstats.errors import StoreUnavailable

MARK = "bsts-wal-"
"""The beginning of each state, used to find states in a log."""

NOTHING = MARK + 24 * "0"
"""The state of an empty file, before the first one."""

READ = "SELECT state, follows FROM store"
_NEW = f"'{MARK}' || lower(hex(randomblob(12)))"
ADVANCE = f"UPDATE store SET follows = state, state = {_NEW}"  # noqa: S608
RENEW = f"UPDATE store SET epoch = randomblob(16), state = {_NEW}, follows = '{NOTHING}'"  # noqa: S608
"""Gives a copy its own identity."""

_HAS_STATES = 5  # the first version of stores with states
_HEADER, _FRAME_HEADER = 32, 24  # bytes: https://www.sqlite.org/fileformat2.html#walformat
_MAGIC = b"\x37\x7f\x06"
_BUFFER = 1024 * 1024


def state_of_file(path: Path) -> str | None:
    """Return the state in the store's file, without its log.

    Return None if the store is of an older version, which has no state, or cannot be read without
    the log.
    """
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            # The file may be shorter than its first page says: the rest is still in the log.
            connection.execute("PRAGMA writable_schema = ON")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version >= _HAS_STATES:
                state, _ = connection.execute(READ).fetchone()
                return str(state)
            is_empty = version == 0
            return NOTHING if is_empty else None
    except (sqlite3.Error, TypeError):  # no such row
        return None


def check_log(path: Path) -> None:
    """Raise StoreUnavailable if the log next to a file belongs to another file.

    Without the store's lock, a checkpoint of another process may cause this error by mistake.
    """
    log = Path(f"{path}-wal")
    try:
        if log.stat().st_size <= _HEADER:
            return
    except FileNotFoundError:
        return
    state = state_of_file(path)
    if state is not None and not _may_follow(log, state):
        raise StoreUnavailable(
            f"the store {path} cannot be used: {log.name} belongs to another file, as it does when "
            "a store was copied or moved over one in use; nothing was changed; "
            "behavstats restore BACKUP puts a backup in its place"
        )


def _may_follow(log: Path, state: str) -> bool:
    """Return whether a log holds this state, or was written by another program (holds no state)."""
    mark, wanted = MARK.encode(), state.encode()
    has_states = False
    with log.open("rb", buffering=_BUFFER) as file:
        header = file.read(_HEADER)
        if not header.startswith(_MAGIC):
            return True  # SQLite ignores such a log
        length = _FRAME_HEADER + int.from_bytes(header[8:12], "big")
        salt = header[16:24]
        while len(frame := file.read(length)) == length and frame[8:16] == salt:
            if mark in frame:
                if wanted in frame:
                    return True
                has_states = True
    return not has_states

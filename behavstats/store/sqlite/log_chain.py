"""Whether a write-ahead log belongs to the file that it lies beside.

SQLite cannot tell: it copies any log whose checksums are right into any file of that name. So each
store has a `state` in its one row of the table `store`, random text. The first transaction that
goes into a log which was begun anew gives the store another one, and notes the state that it
`follows`. The file itself shows a state that the log holds, therefore, as the one before or as one
of its own; and another file does not, as a backup has a state that nothing else ever had.

The log is read here as a plain file: SQLite has no locks on it that closing it would drop.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from behavstats.errors import StoreUnavailable

MARK = "bsts-wal-"
"""How each state begins, so that one can be found in a log."""

NOTHING = MARK + 24 * "0"
"""The state before the first one: that of an empty file."""

READ = "SELECT state, follows FROM store"
_NEW = f"'{MARK}' || lower(hex(randomblob(12)))"
ADVANCE = f"UPDATE store SET follows = state, state = {_NEW}"  # noqa: S608
RENEW = f"UPDATE store SET epoch = randomblob(16), state = {_NEW}, follows = '{NOTHING}'"  # noqa: S608
"""Makes a copy a store of its own."""

_HAS_STATES = 5  # the version from which on stores have them
_HEADER, _FRAME_HEADER = 32, 24  # bytes: https://www.sqlite.org/fileformat2.html#walformat
_MAGIC = b"\x37\x7f\x06"
_BUFFER = 1024 * 1024


def state_of_file(path: Path) -> str | None:
    """Return the state that the file shows without its log.

    None where it is of an older version, which has no state, or cannot be read so.
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
    """Raise StoreUnavailable if the log beside a file is another file's.

    Where nobody holds the store's lock, that may come of a checkpoint that is being made.
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
    """Return whether a log holds a state, or none at all: then no behavstats has written it."""
    mark, wanted = MARK.encode(), state.encode()
    has_states = False
    with log.open("rb", buffering=_BUFFER) as file:
        header = file.read(_HEADER)
        if not header.startswith(_MAGIC):
            return True  # SQLite does not read it either
        length = _FRAME_HEADER + int.from_bytes(header[8:12], "big")
        salt = header[16:24]
        while len(frame := file.read(length)) == length and frame[8:16] == salt:
            if mark in frame:
                if wanted in frame:
                    return True
                has_states = True
    return not has_states

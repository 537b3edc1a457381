"""Making a store, and leading an older one on."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from behavstats.errors import NoStore, NotAStore, StoreUnavailable
from behavstats.store.base import is_among
from behavstats.store.sqlite import log_chain
from behavstats.store.sqlite.connection import translated
from behavstats.store.sqlite.lock import StoreLock
from behavstats.store.sqlite.migrations import check_version

_SUFFIXES = ("-wal", "-shm", "-journal", "-lock", "-turn")


def resolved(path: Path) -> Path:
    """Return where a store is, links resolved."""
    # By whatever link it is reached, a store has one lock. Path.resolve may raise; this does not.
    return Path(os.path.realpath(path))


def files_of(path: Path) -> list[Path]:
    """Return the files that a store consists of, and those that may lie beside it."""
    return [Path(f"{path}{suffix}") for suffix in ("", *_SUFFIXES)]


def is_of(path: Path, other: str | Path) -> bool:
    """Return whether a path leads to one of the files of the store at `path`.

    To open and close one of them ourselves would take SQLite's locks in this process with it.
    """
    return is_among(files_of(path), other)


def check_log(path: Path, lock: StoreLock) -> None:
    """Raise StoreUnavailable if the log beside a store is another file's."""
    try:
        log_chain.check_log(path)
    except StoreUnavailable:
        with lock.held():  # without it, we may have looked while a checkpoint was made
            log_chain.check_log(path)


def clear_leftovers(path: Path) -> None:
    """Remove what an old store left where a new one is to be made, under the lock.

    StoreUnavailable if there may be page views in it.
    """
    if path.exists():
        return
    log, memory = Path(f"{path}-wal"), Path(f"{path}-shm")
    if log.exists() and log.stat().st_size:
        raise StoreUnavailable(
            f"no store is made at {path}: a log of page views, {log.name}, is there without its "
            "store; put that back, restore a backup with behavstats restore, or remove the log"
        )
    log.unlink(missing_ok=True)
    memory.unlink(missing_ok=True)


_SMALLEST_PAGE = 512  # bytes
_MAGIC = 16  # bytes, at the beginning of each file of SQLite


def check_file(path: Path) -> None:
    """Raise NoStore if there is no file, NotAStore if it is something else than a store.

    Looks at the file's first page alone, without a lock and without its WAL, so that it leaves no
    trace beside another program's database. (Through SQLite all the same: a file that we open and
    close ourselves takes the locks of all its connections in this process with it.) An empty file
    passes: a store whose making was interrupted; so does one that SQLite will make empty again.
    """
    if not path.exists():
        raise NoStore(path)
    if not path.is_file():
        raise NotAStore(f"{path} is not a file")
    if 0 < path.stat().st_size < _SMALLEST_PAGE:  # which SQLite takes for an empty file
        raise NotAStore(f"{path} is not a behavstats store")
    with translated(path):
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None
        )
        with closing(connection):
            # The file may be shorter than its first page says: the rest is still in the WAL.
            connection.execute("PRAGMA writable_schema = ON")
            try:
                if check_version(connection, path) == 0:  # another process may be making it
                    return
            except sqlite3.DatabaseError:
                if _is_half_made(path):
                    return
                raise
            (page,) = connection.execute("PRAGMA page_size").fetchone()
    # SQLite notices where whole pages are missing; of a part of one, it would read zeros.
    if path.stat().st_size % page and not _has_log(path):
        raise StoreUnavailable(f"the store {path} cannot be used: the file was cut short")


def _is_half_made(path: Path) -> bool:
    """Return whether the power failed while the very first page was written: SQLite will undo it.

    The journal is on the disk by then, and of the page anything but its first bytes. Nobody has
    such a file open, so that we may.
    """
    journal = Path(f"{path}-journal")
    with path.open("rb") as file:
        return file.read(_MAGIC) == bytes(_MAGIC) and journal.exists()


def _has_log(path: Path) -> bool:
    """Return whether there is a log out of which SQLite makes whole what a power cut tore."""
    logs = (Path(f"{path}{suffix}") for suffix in ("-wal", "-journal"))
    return any(log.exists() and log.stat().st_size > 0 for log in logs)

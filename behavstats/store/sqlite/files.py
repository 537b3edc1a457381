"""The files of a store: which belong to it, and which may be opened or created as one."""

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
    """Return the path of a store with links resolved."""
    # A store has one lock, whichever link leads to it. Path.resolve may raise; this does not.
    return Path(os.path.realpath(path))


def files_of(path: Path) -> list[Path]:
    """Return the file of a store, and the files that SQLite and the lock may put next to it."""
    return [Path(f"{path}{suffix}") for suffix in ("", *_SUFFIXES)]


def size_of(path: Path) -> int:
    """Return the size of a file in bytes, 0 if it does not exist."""
    return path.stat().st_size if path.exists() else 0


def is_of(path: Path, other: str | Path) -> bool:
    """Return whether a path leads to one of the files of the store at `path`.

    Such a file must not be opened here, since closing it would drop SQLite's locks in this process.
    """
    return is_among(files_of(path), other)


def check_log(path: Path, lock: StoreLock) -> None:
    """Raise StoreUnavailable if the log of a store belongs to another file."""
    try:
        log_chain.check_log(path)
    except StoreUnavailable:
        with lock.held():  # a checkpoint may have run during the first check
            log_chain.check_log(path)


def clear_leftovers(path: Path) -> None:
    """Remove what an old store left at the path of a new one; to be called under the lock.

    Raises StoreUnavailable if the leftovers may hold page views.
    """
    if path.exists():
        return
    log, memory = Path(f"{path}-wal"), Path(f"{path}-shm")
    if log.exists() and log.stat().st_size:
        raise StoreUnavailable(
            f"no store is created at {path}: a log of page views, {log.name}, is there without its "
            "store; put the store back, restore a backup with behavstats restore, or remove the log"
        )
    log.unlink(missing_ok=True)
    memory.unlink(missing_ok=True)


_SMALLEST_PAGE = 512  # bytes
_MAGIC = 16  # bytes at the beginning of each SQLite file


def check_file(path: Path) -> None:
    """Raise NoStore if there is no file, and NotAStore if the file is not a store.

    Reads only the first page, without a lock and without the WAL, so that nothing is created next
    to another program's database. The page is read through SQLite, because opening and closing the
    file here would drop the locks of all connections of this process. An empty file passes, since
    it may be a store whose creation was interrupted; so does a file that SQLite will roll back to
    an empty one.
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
                if check_version(connection, path) == 0:  # another process may be creating it
                    return
            except sqlite3.DatabaseError:
                if _is_half_made(path):
                    return
                raise
            (page,) = connection.execute("PRAGMA page_size").fetchone()
    # SQLite notices missing pages, but would read zeros for the missing part of a page.
    if path.stat().st_size % page and not _has_log(path):
        raise StoreUnavailable(f"the store {path} cannot be used: the file was cut short")


def _is_half_made(path: Path) -> bool:
    """Return whether a power cut interrupted the write of the first page; SQLite rolls it back.

    The journal is on the disk by then, and the first bytes of the page are not. No connection has
    such a file open, so opening it here does no harm.
    """
    journal = Path(f"{path}-journal")
    with path.open("rb") as file:
        return file.read(_MAGIC) == bytes(_MAGIC) and journal.exists()


def _has_log(path: Path) -> bool:
    """Return whether there is a log from which SQLite completes pages torn by a power cut."""
    logs = (Path(f"{path}{suffix}") for suffix in ("-wal", "-journal"))
    return any(log.exists() and log.stat().st_size > 0 for log in logs)

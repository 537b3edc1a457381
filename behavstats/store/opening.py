"""Making a store, and leading an older one on."""

import os
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

from behavstats.errors import StoreBusy, StoreUnavailable
from behavstats.store import chain, database
from behavstats.store.lock import StoreLock
from behavstats.store.schema import migrate

# Of a new store. Page views that come in their own order change almost a page each, which is then
# written whole, twice: half of SQLite's 4 KiB is 1.2 times as fast, and 3 % slower for an ingest.
_BYTES_OF_A_PAGE = 2048
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
    with suppress(OSError, ValueError):
        return any(own.exists() and os.path.samefile(own, other) for own in files_of(path))
    return False


def check_log(path: Path, lock: StoreLock) -> None:
    """Raise StoreUnavailable if the log beside a store is another file's."""
    try:
        chain.check_log(path)
    except StoreUnavailable:
        with lock.held():  # without it, we may have looked while a checkpoint was made
            chain.check_log(path)


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


def make(path: Path) -> None:
    """Make an empty file a store, under the store's lock."""
    with closing(database.connect(path, "rwc")) as connection:
        if database.check_version(connection, path):
            return
        connection.execute(f"PRAGMA page_size = {_BYTES_OF_A_PAGE}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        migrate(connection, version=0)
        connection.execute("COMMIT")


def lead_on(connection: sqlite3.Connection, path: Path, version: int, patience: float) -> None:
    """Lead a store from an older version to the newest, under its lock and alone.

    StoreBusy if others do not close it within `patience` seconds.
    """
    _wait_until_alone(connection, path, patience)
    connection.execute("BEGIN IMMEDIATE")
    try:
        migrate(connection, version)
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        connection.execute("PRAGMA journal_mode = WAL")


def _wait_until_alone(connection: sqlite3.Connection, path: Path, patience: float) -> None:
    """Leave WAL mode, which SQLite allows only who is alone; StoreBusy if it takes too long."""
    deadline = time.monotonic() + patience
    while True:
        try:
            connection.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in database.BUSY:
                raise
            if time.monotonic() > deadline:
                message = "it is of an older version, and a program still has it open; end that"
                raise StoreBusy(f"the store {path} is busy: {message}") from None
            time.sleep(0.01)
        else:
            return

"""Creates a store, and migrates an older one to the newest schema."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from behavstats.errors import NotAStore, StoreBusy
from behavstats.store.sqlite.connection import BUSY, connect
from behavstats.store.sqlite.hashing import keyed_hash
from behavstats.store.sqlite.schema import APPLICATION_ID, MIGRATIONS, VERSION

__all__ = [
    "VERSION",
    "check_still_ours",
    "check_version",
    "create",
    "migrate",
    "migrate_exclusively",
]


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Migrate a store from a version to the newest, in the open transaction; 0 is an empty file."""
    connection.create_function("keyed_hash", 2, keyed_hash, deterministic=True)
    for statements in MIGRATIONS[version:]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


# The page size of a new store. Each posted page view changes almost one page, and the whole page is
# written twice. Half of SQLite's 4 KiB makes posts 1.2 times as fast and an ingest 3 % slower.
_BYTES_OF_A_PAGE = 2048


def create(path: Path) -> None:
    """Create a store in an empty or missing file, under the store's lock."""
    with closing(connect(path, "rwc")) as connection:
        if check_version(connection, path):
            return
        connection.execute(f"PRAGMA page_size = {_BYTES_OF_A_PAGE}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        migrate(connection, version=0)
        connection.execute("COMMIT")


def migrate_exclusively(
    connection: sqlite3.Connection, path: Path, version: int, lock_timeout: float
) -> None:
    """Migrate the store to the newest schema, under its lock.

    Takes exclusive access; raises StoreBusy if other processes keep the store open longer than
    `lock_timeout` seconds.
    """
    _acquire_exclusive_access(connection, path, lock_timeout)
    connection.execute("BEGIN IMMEDIATE")
    try:
        migrate(connection, version)
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        connection.execute("PRAGMA journal_mode = WAL")


def _acquire_exclusive_access(
    connection: sqlite3.Connection, path: Path, lock_timeout: float
) -> None:
    """Leave WAL mode, which needs exclusive access. Raise StoreBusy if that takes too long."""
    deadline = time.monotonic() + lock_timeout
    while True:
        try:
            connection.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in BUSY:
                raise
            if time.monotonic() > deadline:
                message = "it is of an older version, and a program still has it open; end that"
                raise StoreBusy(f"the store {path} is busy: {message}") from None
            time.sleep(0.01)
        else:
            return


def check_version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the schema version, 0 for an empty file. Raise NotAStore for any other file."""
    connection.execute("BEGIN")  # one snapshot, since another process may be creating the store
    try:
        (application_id,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        ours = application_id == APPLICATION_ID
        foreign = not ours and connection.execute("SELECT 1 FROM sqlite_schema").fetchone()
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    if ours:
        if version > VERSION:
            message = f"{path} was written by a newer behavstats (store version {version})"
            raise NotAStore(message)
        return int(version)
    if application_id or foreign:
        raise NotAStore(f"{path} is a database of another program")
    return 0


def check_still_ours(connection: sqlite3.Connection, path: Path) -> None:
    """Raise NotAStore if a newer program has migrated the store since it was opened."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != VERSION:
        raise NotAStore(f"{path} is of version {version} now, which this program cannot use")

"""Copies a store in use with SQLite's backup interface."""

import os
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from tempfile import mkstemp

from behavstats.errors import BackupError
from behavstats.store.sqlite import log_chain
from behavstats.store.sqlite.files import is_of

_PAGES = 4_096  # copied at once; Ctrl-C takes effect in between


def back_up(connection: sqlite3.Connection, store: Path, to: Path, *, force: bool) -> None:
    """Copy one snapshot of the store to a file, atomically.

    Raises BackupError if the file cannot be written or, without `force`, exists already.
    """
    try:
        _check(store, to, force=force)
        descriptor, part = mkstemp(prefix=f"{to.name}.", suffix=".part", dir=to.parent)
        os.close(descriptor)
        try:
            _copy(connection, part, to)
            _renew(part, to)
            shutil.copymode(store, part)
            sync(part)
            _put(part, to, force=force)
        finally:
            for suffix in ("", "-wal", "-journal"):
                with suppress(FileNotFoundError):
                    os.unlink(f"{part}{suffix}")
        sync(to.parent)
    except OSError as error:
        raise BackupError(to, error.strerror or error) from None


def _check(store: Path, to: Path, *, force: bool) -> None:
    if os.path.lexists(to):
        if not force:
            raise BackupError(to, "it exists already; --force overwrites it")
        if to.is_dir():
            raise BackupError(to, "it is a folder")
        if to.exists() and not to.is_file():
            raise BackupError(to, "it is not a regular file")
        if is_of(store, to):
            raise BackupError(to, "it belongs to the store itself")
    for log in (f"{to}-wal", f"{to}-journal"):
        # A program that opened the copy would take this log for the copy's own.
        if os.path.exists(log) and os.path.getsize(log):
            raise BackupError(to, f"{log} exists: a store may be in use under that name")


def _copy(connection: sqlite3.Connection, part: str, to: Path) -> None:
    connection.execute("BEGIN")  # one snapshot; otherwise each write to the store restarts the copy
    try:
        connection.execute("SELECT 1 FROM sqlite_schema").fetchone()
        with closing(sqlite3.connect(part, isolation_level=None)) as copy:
            # The copy needs no journal, since it is discarded on failure; it is synced at the end.
            copy.execute("PRAGMA journal_mode = OFF")
            copy.execute("PRAGMA synchronous = OFF")
            try:
                connection.backup(copy, pages=_PAGES, sleep=0)
            except sqlite3.OperationalError as error:
                raise BackupError(to, error) from None
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _renew(part: str, to: Path) -> None:
    """Give a copy an epoch of its own, and make it a single file that is read without a log."""
    with closing(sqlite3.connect(part, isolation_level=None)) as copy:
        try:
            # No other connection has it open, so its log needs no shared memory.
            copy.execute("PRAGMA locking_mode = EXCLUSIVE")
            copy.execute("PRAGMA synchronous = OFF")
            copy.execute(log_chain.RENEW)
            copy.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.DatabaseError as error:
            raise BackupError(to, error) from None


def _put(part: str, to: Path, *, force: bool) -> None:
    if force:
        os.replace(part, to)
        return
    try:
        os.link(part, to)  # fails if the file exists
    except FileExistsError:
        raise BackupError(to, "it exists already; --force overwrites it") from None
    except OSError:  # a file system without links
        os.rename(part, to)


def sync(path: str | Path) -> None:
    """Write a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

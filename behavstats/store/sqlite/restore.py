"""Puts a backup in the place of a store, even of a damaged one."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from behavstats.clock import system_clock
from behavstats.errors import BackupError, BehavstatsError
from behavstats.model.retention import Bounds
from behavstats.store.base import Restored
from behavstats.store.sqlite import files, log_chain
from behavstats.store.sqlite.backup import sync
from behavstats.store.sqlite.connection import connect_writer
from behavstats.store.sqlite.lock import StoreLock
from behavstats.store.sqlite.opening import open_store
from behavstats.store.sqlite.wal import Wal

_LOCK_TIMEOUT = 5.0  # seconds for the lock of the copy, which no other process uses

_USERS = "SELECT count(DISTINCT user) FROM page_view"


def restore(backup: Path, path: Path, lock: StoreLock) -> Restored:
    """Put a checked copy of a backup in the place of the store at `path`.

    The replaced store is kept under another name. Raises BackupError, and changes nothing, if the
    backup is not a sound store or cannot be copied; StoreBusy if the lock cannot be acquired. If
    the process is killed, it leaves the old store, the new store, or a file that is refused until a
    backup is restored again.
    """
    try:
        _check_alone(backup, path)
        with TemporaryDirectory(
            prefix=f"{path.name}.", suffix=".restore", dir=path.parent
        ) as folder:
            copy = Path(folder, "store")
            shutil.copyfile(backup, copy)
            users, page_views = _checked(copy, backup)
            with lock.held():
                kept = _put(copy, path)
        sync(path.parent)
    except OSError as error:
        raise _failed(backup, error.strerror or error) from None
    return Restored(users, page_views, kept)


def _failed(backup: Path, reason: object) -> BackupError:
    return BackupError(backup, reason, "restore")


def _check_alone(backup: Path, path: Path) -> None:
    if not backup.exists():
        raise _failed(backup, "there is no such file")
    if not backup.is_file():
        raise _failed(backup, "it is not a regular file")
    if files.is_of(path, backup):
        raise _failed(backup, "it belongs to the store itself")
    for log in (f"{backup}-wal", f"{backup}-journal"):
        if os.path.exists(log) and os.path.getsize(log):
            raise _failed(
                backup, f"{log} exists: a store may be in use under that name; back that up"
            )


def _checked(copy: Path, backup: Path) -> tuple[int, int]:
    """Check a copy of a backup and give it its own identity; return its users and page views."""
    try:
        with open_store(copy, _LOCK_TIMEOUT, lambda: None, Bounds(), system_clock) as store:
            for difference in store.check():
                raise _failed(backup, f"it is not sound: {difference}")
            page_views, _ = store.counts()
    except BackupError:
        raise
    except BehavstatsError as error:
        raise _failed(backup, str(error).replace(str(copy), str(backup))) from None
    with closing(connect_writer(copy)) as connection:
        (users,) = connection.execute(_USERS).fetchone()
        connection.execute(log_chain.RENEW)
    sync(copy)
    return users, page_views


def _put(copy: Path, path: Path) -> Path | None:
    """Replace the store by the copy, under the lock; return the new name of the old store.

    The log is moved last. Until then, the new file is refused because of the old log, and the old
    store is never without its log.
    """
    there = path.exists()
    kept = next(name for name in _names(path) if not os.path.lexists(name))
    if there:
        with suppress(BehavstatsError, sqlite3.Error):
            _checkpoint(path)
        _copy_permissions(copy, path)
        try:
            os.link(path, kept)
        except OSError:  # a file system without links
            os.rename(path, kept)
    os.replace(copy, path)
    sync(path.parent)
    log = Path(f"{path}-wal")
    is_left = log.exists() and log.stat().st_size > 0
    if is_left:
        os.rename(log, f"{kept}-wal")
    for suffix in ("-wal", "-shm", "-journal"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    if there:
        return kept
    return Path(f"{kept}-wal") if is_left else None


def _names(path: Path) -> Iterator[Path]:
    return (Path(f"{path}.replaced-{number}") for number in count(1))


def _copy_permissions(copy: Path, path: Path) -> None:
    """Give a file the mode and, if permitted, the owner of another file."""
    shutil.copymode(path, copy)
    status = path.stat()
    with suppress(PermissionError):
        os.chown(copy, status.st_uid, status.st_gid)


def _checkpoint(path: Path) -> None:
    """Copy the store's log into the store, if the log belongs to it."""
    files.check_file(path)
    log_chain.check_log(path)
    with closing(connect_writer(path)) as connection:
        Wal(path).checkpoint(connection)

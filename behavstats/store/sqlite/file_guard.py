"""Checks whether the files at a store's path are those that its connections have open.

A connection keeps using a file that was moved, removed or replaced, so what it commits is lost to
the file at the path (https://sqlite.org/howtocorrupt.html#unlink).
"""

import os
import sqlite3
from enum import Enum
from pathlib import Path

from behavstats.errors import StoreAbandoned, StoreError, StoreUnavailable
from behavstats.store.sqlite.log_chain import ADVANCE, NOTHING, READ, state_of_file

_File = tuple[int, int]  # device and inode
_Version = tuple[int, int]  # modification time in ns, and size in bytes
_RESTORE = "behavstats restore BACKUP puts a backup in its place"


class Loss(Enum):
    """What happened to the files of a store in use."""

    GONE = "{path} was moved or removed while it was in use; put it back, or " + _RESTORE
    REPLACED = "{path} was replaced while it was in use"
    OVERWRITTEN = "{path} was overwritten while it was in use; " + _RESTORE
    LOG_GONE = "{path}-wal or {path}-shm was removed while it was in use"
    LOG_REPLACED = (
        "{path}-wal or {path}-shm was replaced while it was in use; end the programs that use the "
        "store, and start them again"
    )


class Guard:
    """Knows the files that the connections have open: the store, its log, and the shared memory.

    `is_troubled` says that the last check found the files lost.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._paths = [f"{path}{suffix}" for suffix in ("", "-wal", "-shm")]
        self._known: list[_File | None] = [None, None, None]
        # The version of the store's file when its state was last compared.
        self._compared: _Version | None = None
        self._is_overwritten = False
        self.is_troubled = False
        self._had_state = False

    def note_store(self) -> None:
        """Note the file at the path as the one that will be open, unless one is known already."""
        self._known[0] = self._known[0] or _file(self._paths[0])

    def note(self) -> None:
        """Note the files at the path as the ones that are open, unless they are known already.

        The log and the shared memory must be noted only once the store is open: before that,
        another process may remove them.
        """
        self._known = [
            known or _file(path) for path, known in zip(self._paths, self._known, strict=True)
        ]

    def loss(self) -> Loss | None:
        """Return what happened to the files, going by their metadata."""
        loss, _ = self._look()
        self.is_troubled = loss is not None
        return loss

    def _look(self) -> tuple[Loss | None, _Version | None]:
        """Return what happened to the files, and the version of the store's file; one stat each."""
        try:
            store, log, memory = map(os.stat, self._paths)
        except OSError:
            return self._look_closer()
        found = [
            (store.st_dev, store.st_ino),
            (log.st_dev, log.st_ino),
            (memory.st_dev, memory.st_ino),
        ]
        if found != self._known or self._is_overwritten:
            return self._look_closer()
        return None, (store.st_mtime_ns, store.st_size)

    def _look_closer(self) -> tuple[Loss | None, _Version | None]:
        """Return what `_look` returns, for files of which one is missing or has changed."""
        loss, version = self._look_at_store()
        if loss is not None:
            return loss, version
        _, log, memory = self._known
        if log is not None and (there := _file(self._paths[1])) != log:
            loss = Loss.LOG_REPLACED if there else Loss.LOG_GONE
        if memory is not None and (there := _file(self._paths[2])) != memory:
            loss = Loss.LOG_REPLACED if there else loss or Loss.LOG_GONE
        if loss is None and self._is_overwritten:
            loss = Loss.OVERWRITTEN
        return loss, version

    def _look_at_store(self) -> tuple[Loss | None, _Version | None]:
        try:
            status = os.stat(self._paths[0])
        except OSError:
            return (Loss.GONE if self._known[0] else None), None
        version = status.st_mtime_ns, status.st_size
        known = self._known[0]
        if known is not None and (status.st_dev, status.st_ino) != known:
            return Loss.REPLACED, version
        return None, version

    def compare(self, connection: sqlite3.Connection) -> bool:
        """Compare the state in the store's file with what a connection sees, under the lock.

        Returns True if the log holds no state yet, so that the store needs a new one. Raises
        StoreUnavailable if the file was overwritten.
        """
        _, version = self._look_at_store()
        state = state_of_file(self._path)
        if state is None and not self._had_state:
            return False  # a full disk, say, interrupted the first checkpoint
        states = connection.execute(READ).fetchone()
        self._is_overwritten = state not in states
        if self._is_overwritten:
            self._raise(Loss.OVERWRITTEN)
        self._had_state = state != NOTHING
        if state == states[0]:
            return True
        self._compared = version
        return False

    def seal(self, connection: sqlite3.Connection) -> None:
        """Prepare the open transaction for its commit. Raise StoreError if the files are lost."""
        loss, version = self._look()
        self._raise(loss)
        if version != self._compared and self.compare(connection):
            connection.execute(ADVANCE)
            self._compared = version

    def check_commit(self, connection: sqlite3.Connection) -> None:
        """Raise StoreError if the store's file was lost during the commit.

        The commit is not durable then. The next `seal` finds a lost log.
        """
        loss, version = self._look_at_store()
        self._raise(loss)
        if version != self._compared:
            self.compare(connection)

    def check_content(self, connection: sqlite3.Connection) -> None:
        """Raise StoreError if the files are lost or the store's file was overwritten."""
        loss, version = self._look()
        self._raise(loss)
        if version != self._compared:
            self.compare(connection)

    def is_well(self) -> bool:
        """Return whether the files are the same, and the store's file was not written meanwhile."""
        return self.loss() is None and self._look_at_store() == (None, self._compared)

    def check(self) -> None:
        """Raise StoreError if the files are lost."""
        self._raise(self.loss())

    def _raise(self, loss: Loss | None) -> None:
        if loss is not None:
            self.is_troubled = True
            raise self.error(loss)

    def doubt(self) -> None:
        """Compare the state again before the next commit, because this one failed."""
        self._compared = None

    def leftovers(self) -> list[str]:
        """Return the paths where the log and shared memory of a replaced store still are."""
        pairs = zip(self._paths[1:], self._known[1:], strict=True)
        return [path for path, known in pairs if known is not None and _file(path) == known]

    def error(self, loss: Loss) -> StoreError:
        """Return the error that says what happened."""
        kind = StoreAbandoned if loss is Loss.LOG_REPLACED else StoreUnavailable
        return kind(f"the store cannot be used: {loss.value.format(path=self._path)}")


def _file(path: str) -> _File | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino

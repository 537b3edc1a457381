"""Whether the files at a store's path are those that its connections have open.

A connection goes on with a file that was moved, removed or replaced, as if nothing were: what it
commits is in no file at the path any more. (https://sqlite.org/howtocorrupt.html#unlink)
"""

import os
import sqlite3
from enum import Enum
from pathlib import Path

from behavstats.errors import StoreAbandoned, StoreError, StoreUnavailable
from behavstats.store.sqlite.log_chain import ADVANCE, NOTHING, READ, state_of_file

_File = tuple[int, int]  # device and inode
_Version = tuple[int, int]  # when it was changed, and its size
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
    """Knows the files that connections have open: the store, its log, and their shared memory.

    `is_troubled` says that they were lost when they were looked at last.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._paths = [f"{path}{suffix}" for suffix in ("", "-wal", "-shm")]
        self._known: list[_File | None] = [None, None, None]
        # When the store's file was changed, and its size, as its state was compared last.
        self._compared: _Version | None = None
        self._is_overwritten = False
        self.is_troubled = False
        self._had_state = False

    def note_store(self) -> None:
        """Take the file at the path for the one that will be open, where none is known yet."""
        self._known[0] = self._known[0] or _file(self._paths[0])

    def note(self) -> None:
        """Take what is at the path for the files that are open, where none is known yet.

        What lies beside a store is to be noted once it is open: it may go before that.
        """
        self._known = [
            known or _file(path) for path, known in zip(self._paths, self._known, strict=True)
        ]

    def loss(self) -> Loss | None:
        """Return what happened to the files, as far as that can be seen without reading them."""
        loss, _ = self._look()
        self.is_troubled = loss is not None
        return loss

    def _look(self) -> tuple[Loss | None, _Version | None]:
        """Return what happened to the files, and the version of the store's; a stat for each."""
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
        """Return the same where it is not the plain case: all there, and as before."""
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
        """Compare the state of the store's file with what a connection sees, under the lock.

        Returns whether the log holds no state yet, so that the store needs another one. Raises
        StoreUnavailable if the file has another content than that of the connection.
        """
        _, version = self._look_at_store()
        state = state_of_file(self._path)
        if state is None and not self._had_state:
            return False  # the first checkpoint of a new store was cut off, as by a full disk
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
        """Make the open transaction fit to be committed; StoreError if its files are lost."""
        loss, version = self._look()
        self._raise(loss)
        if version != self._compared and self.compare(connection):
            connection.execute(ADVANCE)
            self._compared = version

    def check_commit(self, connection: sqlite3.Connection) -> None:
        """Raise StoreError if the file was lost while the transaction was committed.

        What is in it then is not durable. (A log that was lost is told by the next `seal`.)
        """
        loss, version = self._look_at_store()
        self._raise(loss)
        if version != self._compared:
            self.compare(connection)

    def check_content(self, connection: sqlite3.Connection) -> None:
        """Raise StoreError if the files are lost, or the store's file has another content."""
        loss, version = self._look()
        self._raise(loss)
        if version != self._compared:
            self.compare(connection)

    def is_well(self) -> bool:
        """Return whether the files are the same, and the store's was not written meanwhile."""
        return self.loss() is None and self._look_at_store() == (None, self._compared)

    def check(self) -> None:
        """Raise StoreError if the files are lost."""
        self._raise(self.loss())

    def _raise(self, loss: Loss | None) -> None:
        if loss is not None:
            self.is_troubled = True
            raise self.error(loss)

    def doubt(self) -> None:
        """Have the state compared again: what was done since has failed."""
        self._compared = None

    def leftovers(self) -> list[str]:
        """Return the names at which log and shared memory of a replaced store still lie."""
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

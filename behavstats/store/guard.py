"""Whether the files at a store's path are those that its connections have open.

A connection goes on with a file that was moved, removed or replaced, as if nothing were: what it
commits is in no file at the path any more. (https://sqlite.org/howtocorrupt.html#unlink)
"""

import os
import sqlite3
from enum import Enum
from pathlib import Path

from behavstats.errors import StoreAbandoned, StoreError, StoreUnavailable
from behavstats.store.chain import ADVANCE, NOTHING, READ, state_of_file

_File = tuple[int, int]  # device and inode
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
    """Knows the files that connections have open: the store, its log, and their shared memory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._paths = [f"{path}{suffix}" for suffix in ("", "-wal", "-shm")]
        self._known: list[_File | None] = [None, None, None]
        # When the store's file was changed, and its size, as its state was compared last.
        self._compared: tuple[int, int] | None = None
        self._is_overwritten = False
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
        store, *others = self._known
        if store is None:
            return None
        try:
            status = os.stat(self._paths[0])
        except OSError:
            return Loss.GONE
        if (status.st_dev, status.st_ino) != store:
            return Loss.REPLACED
        loss = None
        for path, known in zip(self._paths[1:], others, strict=True):
            if known is not None and (there := _file(path)) != known:
                if there is not None:
                    return Loss.LOG_REPLACED
                loss = Loss.LOG_GONE
        if loss is None and self._is_overwritten:
            return Loss.OVERWRITTEN
        return loss

    def check_content(self, connection: sqlite3.Connection) -> None:
        """Raise StoreError if the files are lost, or the store's file has another content."""
        self.check()
        if self.is_changed():
            self.compare(connection)

    def is_changed(self) -> bool:
        """Return whether the store's file may have another content than when it was compared."""
        return self._version() != self._compared

    def compare(self, connection: sqlite3.Connection) -> bool:
        """Compare the state of the store's file with what a connection sees, under the lock.

        Returns whether the log holds no state yet, so that the store needs another one. Raises
        StoreUnavailable if the file has another content than that of the connection.
        """
        version = self._version()
        state = state_of_file(self._path)
        if state is None and not self._had_state:
            return False  # the first checkpoint of a new store was cut off, as by a full disk
        states = connection.execute(READ).fetchone()
        self._is_overwritten = state not in states
        if self._is_overwritten:
            raise self.error(Loss.OVERWRITTEN)
        self._had_state = state != NOTHING
        if state == states[0]:
            return True
        self._compared = version
        return False

    def seal(self, connection: sqlite3.Connection) -> None:
        """Make the open transaction fit to be committed; StoreError if its files are lost."""
        self.check()
        version = self._version()
        if version != self._compared and self.compare(connection):
            connection.execute(ADVANCE)
            self._compared = version

    def check(self) -> None:
        """Raise StoreError if the files are lost."""
        if loss := self.loss():
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

    def _version(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self._paths[0])
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size


def _file(path: str) -> _File | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino

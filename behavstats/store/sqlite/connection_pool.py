"""The connections of a store: a pool of readers, and one writer.

All of them have the files at the store's path open. If these files are moved, removed or replaced,
the guard notices, and nothing is read or committed until the files are back, or until there are
other files that may be opened in their place.
"""

import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path

from behavstats.errors import BehavstatsError, StoreUnavailable
from behavstats.store.sqlite import files, migrations
from behavstats.store.sqlite.connection import (
    Connection,
    connect,
    connect_writer,
    translated,
    translation,
)
from behavstats.store.sqlite.file_guard import Guard, Loss
from behavstats.store.sqlite.log_chain import check_log
from behavstats.store.sqlite.schema import VERSION
from behavstats.store.sqlite.wal import Wal

_NOT_TO_BE_CLOSED = {Loss.OVERWRITTEN, Loss.LOG_REPLACED}
_CHECK_AGAIN = 0.05  # seconds after which a read checks again whether the files are the same


class Connections:
    """The connections of one store; `writer` must be used under the store's lock only.

    `openings` counts how often files were opened. What was cached from earlier files is not valid
    for later ones.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writer: Connection | None = None
        self.wal = Wal(path)
        self.guard = Guard(path)
        self.openings = 0
        self.idle: list[Connection] = []  # readers that are not in use
        self._readers: list[Connection] = []  # all readers
        self._kept: set[Connection | None] = {None}
        self.next_check = 0.0

    def check_files(self) -> None:
        """Raise StoreError if the files are lost; the next check is due at `next_check`."""
        self.guard.check()
        self.next_check = time.monotonic() + _CHECK_AGAIN

    def open_reader(self) -> Connection:
        """Return a new connection that can only read; StoreError if the files are lost."""
        self.guard.check()
        self.guard.note_store()
        with translated(self.path):
            connection = connect(self.path, "ro")
            self._readers.append(connection)
            self._note_files_of(connection)
        return connection

    def open_writer(self) -> Connection:
        """Return the writer. Raise StoreError if the files are lost.

        If the files were replaced, the new ones are opened, provided that this is safe.
        """
        if self.guard.is_troubled and (loss := self.guard.loss()):
            self._recover(loss)
        if self.writer is None:
            self.guard.check()
            self.guard.note_store()
            self.writer = connect_writer(self.path)
            self.openings += 1
            self._note_files_of(self.writer)
        return self.writer

    def note_again(self, connection: Connection) -> None:
        """Guard the files of the only connection, after a migration replaced the log."""
        self.guard = Guard(self.path)
        self.wal.close_file()
        self._note_files_of(connection)

    def checkpoint(self, connection: Connection) -> None:
        """Run a checkpoint, under the lock. Raise StoreError if the files are lost."""
        self.guard.check_content(connection)
        self.wal.checkpoint(connection)

    def explain(self, error: BaseException) -> None:
        """Raise StoreError if an error was caused by lost files."""
        loss = self.guard.loss()
        if loss in _NOT_TO_BE_CLOSED:
            self._keep_open()
        if loss and isinstance(error, Exception) and not isinstance(error, BehavstatsError):
            # Reading files that do not belong together may fail in any way.
            raise self.guard.error(loss) from error

    def close_idle(self) -> None:
        """Close the readers that are not in use."""
        while self.idle:
            connection = self.idle.pop()
            self._readers.remove(connection)
            connection.close()
        if not self._readers and self.writer is None:
            # Nothing is open, so nothing can be lost. Another process may migrate the store now,
            # which replaces its log.
            self.guard = Guard(self.path)

    def close(self) -> None:
        """Close all connections, or leave them open for good if closing would do harm."""
        if self.guard.loss() in _NOT_TO_BE_CLOSED:
            self._keep_open()
            self._readers, self.idle, self.writer = [], [], None
        self._close_all()

    def _note_files_of(self, connection: Connection) -> None:
        connection.execute("SELECT 1 FROM sqlite_schema").fetchone()  # which opens the log
        self.guard.note()
        self.guard.check()

    def _recover(self, loss: Loss) -> None:
        """Open the files that are at the path now. Raise StoreError if that would not be safe."""
        error = self.guard.error(loss)
        if loss in _NOT_TO_BE_CLOSED:
            self._keep_open()
        if loss is Loss.OVERWRITTEN and self.writer is not None:
            self.guard.compare(self.writer)  # the file may have its right content again
        elif loss is Loss.LOG_GONE:
            self._rescue(error)
            self._reopen(loss)
        elif loss is Loss.REPLACED:
            self._reopen(loss)
        else:  # the file may come back, and its log still belongs to it
            raise error

    def _rescue(self, error: Exception) -> None:
        """Copy a removed log into the store, as long as it is open here."""
        if len(self.idle) < len(self._readers):
            raise error  # a reader in use would share its shared memory with new connections
        if self.writer is not None:
            self.guard.compare(self.writer)
            self.wal.checkpoint(self.writer)
            if self.wal.is_due:
                raise error

    def _reopen(self, loss: Loss) -> None:
        """Close the files that are open, and open those at the path.

        When SQLite closes a file that is no longer at its path, it runs no checkpoint and does not
        touch the files next to the path.
        """
        files.check_file(self.path)
        check_log(self.path)
        if loss is Loss.REPLACED:  # the new store must not use the old one's log
            for path in self.guard.leftovers():
                with suppress(FileNotFoundError):
                    os.unlink(path)
        self._close_all()
        self.guard = Guard(self.path)
        self.openings += 1
        with Reading(self) as connection:
            version = migrations.check_version(connection, self.path)
        if version != VERSION:
            raise StoreUnavailable(f"{self.path} was replaced by a store of another version")

    def _close_all(self) -> None:
        self.close_idle()
        self.idle, self._readers = [], []  # readers in use are closed when they return
        self.wal.close_file()
        if self.writer is not None:
            self.writer.close()
            self.writer = None

    def _keep_open(self) -> None:
        """Keep the connections from being closed, even when the process ends.

        The last one to close would copy its log into the file at the path and remove the log there,
        although neither of them belongs to it.
        """
        import ctypes

        for connection in {*self._readers, self.writer} - self._kept:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
            self._kept.add(connection)


class Reading:
    """Lends an idle reader. As a generator, this would take as long as a query."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._idle = connections.idle

    def __enter__(self) -> Connection:
        connections = self._connections
        if time.monotonic() >= connections.next_check:
            connections.check_files()
        try:
            self._connection = self._idle.pop()
        except IndexError:
            self._connection = connections.open_reader()
        return self._connection

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        connections = self._connections
        if self._idle is connections.idle:
            self._idle.append(self._connection)
        else:
            self._connection.close()  # its files are not those of the store any more
        if error is not None and not isinstance(error, BehavstatsError):
            connections.explain(error)
        if isinstance(error, sqlite3.Error):
            raise translation(error, connections.path) from error

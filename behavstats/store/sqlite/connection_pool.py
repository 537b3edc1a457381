"""The connections of a store: those that read, and the one that writes.

All of them are on the files at the store's path. Where those were moved, removed or replaced, the
guard says so: nothing is committed then, nor read, until the files are there again, or others that
may be opened in their place.
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
from behavstats.store.sqlite.migrations import VERSION
from behavstats.store.sqlite.wal import Wal

_NOT_TO_BE_CLOSED = {Loss.OVERWRITTEN, Loss.LOG_REPLACED}
_LOOK_AGAIN = 0.05  # seconds after which a read looks again whether the files are the same


class Connections:
    """Those of one store; `writer` is to be used under the store's lock alone.

    `openings` counts how often files were opened: what was remembered of the ones before does not
    hold for the next.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writer: Connection | None = None
        self.wal = Wal(path)
        self.guard = Guard(path)
        self.openings = 0
        self.idle: list[Connection] = []  # connections that read, while they do not
        self._readers: list[Connection] = []  # all that read
        self._kept: set[Connection | None] = {None}
        self.look_at = 0.0

    def look(self) -> None:
        """Raise StoreError if the files are lost; not to be asked again before `look_at`."""
        self.guard.check()
        self.look_at = time.monotonic() + _LOOK_AGAIN

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
        """Return the connection that writes, on files that are there; StoreError if they are not.

        Files that were replaced are opened, where that is sound.
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
        """Take the files of a connection, which is the only one, for those that are open."""
        self.guard = Guard(self.path)
        self.wal.close()
        self._note_files_of(connection)

    def checkpoint(self, connection: Connection) -> None:
        """Copy the log into the store and empty it, under the lock; StoreError if it is lost."""
        self.guard.check_content(connection)
        self.wal.checkpoint(connection)

    def explain(self, error: BaseException) -> None:
        """Raise StoreError if it is lost files that an error comes from."""
        loss = self.guard.loss()
        if loss in _NOT_TO_BE_CLOSED:
            self._keep_for_ever()
        if loss and isinstance(error, Exception) and not isinstance(error, BehavstatsError):
            # What was read of files that do not belong together may fail anywhere.
            raise self.guard.error(loss) from error

    def close_idle(self) -> None:
        """Close the connections that read, and are not lent."""
        while self.idle:
            connection = self.idle.pop()
            self._readers.remove(connection)
            connection.close()
        if not self._readers and self.writer is None:
            # Nothing is open, so nothing can be lost: another process may migrate the store now,
            # which replaces its log.
            self.guard = Guard(self.path)

    def close(self) -> None:
        """Close all of them, or else let them be, where closing would do harm."""
        if self.guard.loss() in _NOT_TO_BE_CLOSED:
            self._keep_for_ever()
            self._readers, self.idle, self.writer = [], [], None
        self._close_all()

    def _note_files_of(self, connection: Connection) -> None:
        connection.execute("SELECT 1 FROM sqlite_schema").fetchone()  # which opens the log
        self.guard.note()
        self.guard.check()

    def _recover(self, loss: Loss) -> None:
        """Open the files anew that are at the path; StoreError where that would not be sound."""
        error = self.guard.error(loss)
        if loss in _NOT_TO_BE_CLOSED:
            self._keep_for_ever()
        if loss is Loss.OVERWRITTEN and self.writer is not None:
            self.guard.compare(self.writer)  # it may have the right content again
        elif loss is Loss.LOG_GONE:
            self._rescue(error)
            self._reopen(loss)
        elif loss is Loss.REPLACED:
            self._reopen(loss)
        else:  # what is gone may come back, with all that is in its log
            raise error

    def _rescue(self, error: Exception) -> None:
        """Copy what a removed log holds into the store, as long as we have it."""
        if len(self.idle) < len(self._readers):
            raise error  # one of them would share its memory of the log with new connections
        if self.writer is not None:
            self.guard.compare(self.writer)
            self.wal.checkpoint(self.writer)
            if self.wal.is_due:
                raise error

    def _reopen(self, loss: Loss) -> None:
        """Leave the files that are open for those at the path.

        SQLite makes no checkpoint as it closes a file that is not at its path any more, and leaves
        what lies beside that path.
        """
        files.check_file(self.path)
        check_log(self.path)
        if loss is Loss.REPLACED:  # what is left of the old one: the new one must not take it
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
        self.idle, self._readers = [], []  # those that are lent are closed as they come back
        self.wal.close()
        if self.writer is not None:
            self.writer.close()
            self.writer = None

    def _keep_for_ever(self) -> None:
        """Never have the connections closed unless we do so, not even as the process ends.

        The last one that is closed copies its log into the file at the path, and removes the log
        there: both are not its own.
        """
        import ctypes

        for connection in {*self._readers, self.writer} - self._kept:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
            self._kept.add(connection)


class Reading:
    """Lends one of the idle connections; not a generator, which would take as long as a query."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._idle = connections.idle

    def __enter__(self) -> Connection:
        connections = self._connections
        if time.monotonic() >= connections.look_at:
            connections.look()
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
            self._connection.close()  # on files that are not those of the store any more
        if error is not None and not isinstance(error, BehavstatsError):
            connections.explain(error)
        if isinstance(error, sqlite3.Error):
            raise translation(error, connections.path) from error

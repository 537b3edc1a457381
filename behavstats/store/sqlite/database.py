"""The database of a store: transactions, their lock, and caches of what they read."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from behavstats.errors import StoreBusy, StoreError
from behavstats.store.sqlite import migrations
from behavstats.store.sqlite.connection import Connection, translated
from behavstats.store.sqlite.connection_pool import Connections, Reading
from behavstats.store.sqlite.lock import StoreLock

# A WAL of this many bytes is copied into the database. A checkpoint for more commits costs less,
# but requests wait longer for it.
_LARGE_WAL = 1536 * 1024
_LARGE_WAL_OF_MANY = 8 * 1024 * 1024


class Cache(Protocol):
    """Cached keys, which hold until another connection writes or a transaction is rolled back."""

    def forget(self) -> None:
        """Drop everything that is cached."""


class Database:
    """Reads run side by side on pooled connections that cannot write.

    Writes and checkpoints run one at a time on one connection, under the store's lock.
    """

    def __init__(self, path: Path, lock: StoreLock, clock: Callable[[], int]) -> None:
        """`clock` returns ms since the epoch."""
        self.path = path
        self.lock = lock
        self.clock = clock
        self.connections = Connections(path)
        self.wal = self.connections.wal
        self.caches: list[Cache] = []
        """The caches that are dropped when another connection has written."""
        self._openings = 0
        self._data_version: int | None = None

    @property
    def writer(self) -> Connection | None:
        """The connection that writes, once it is open."""
        return self.connections.writer

    def reading(self) -> Reading:
        """Lend a connection that can only read."""
        return Reading(self.connections)

    @contextmanager
    def locked(self) -> Iterator[Connection]:
        """Hold the store's lock and lend the connection that writes, without a transaction."""
        with self.lock.held(), translated(self.path):
            connection = self.connections.open_writer()
            if self._openings != self.connections.openings:
                self._openings = self.connections.openings
                self._data_version = None  # which can be compared on one connection only
            try:
                yield connection
            except BaseException as error:
                self.connections.explain(error)
                raise

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Hold the store's lock and lend the connection that writes, within a transaction."""
        with self.locked() as connection:
            with self.transaction(connection):
                yield connection
            self.checkpoint_if_large(connection)

    @contextmanager
    def transaction(self, connection: sqlite3.Connection) -> Iterator[None]:
        """Commit all changes made in `with`, or roll all of them back; to be used while locked."""
        guard = self.connections.guard
        connection.execute("BEGIN IMMEDIATE")
        try:
            (data_version,) = connection.execute("PRAGMA data_version").fetchone()
            if data_version != self._data_version:
                # Another connection has written. A user who was erased there must not keep a key in
                # a cache here. If the WAL could not be emptied then, it may still hold bytes of the
                # user.
                self.forget_keys()
                self.wal.is_due = True
                migrations.check_still_ours(connection, self.path)
                self._data_version = data_version
            yield
            guard.seal(connection)
            connection.execute("COMMIT")
            guard.check_commit(connection)
        except BaseException:
            guard.doubt()
            self.forget_keys()
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    @contextmanager
    def cached(self, cache: Cache) -> Iterator[None]:
        """Within `with`, drop this cache, too, when another connection has written."""
        self.caches.append(cache)
        try:
            yield
        finally:
            self.caches.remove(cache)

    def forget_keys(self) -> None:
        """Drop everything that is cached."""
        for cache in [*self.caches]:  # a load in another thread may remove its own
            cache.forget()

    def overwrite(self, deleted: str) -> None:
        """Remove what was `deleted` from the WAL. Raise StoreBusy if readers are in the way."""
        self.wal.overwrite(self.locked, deleted)

    def checkpoint_if_large(self, connection: sqlite3.Connection, *, of_many: bool = False) -> None:
        """Run a checkpoint if the WAL is large; after `of_many` page views, it may be larger."""
        self.wal.checkpoint_if_longer(connection, _LARGE_WAL_OF_MANY if of_many else _LARGE_WAL)

    def checkpoint(self) -> None:
        """Copy the WAL into the database and truncate it, unless the store is busy."""
        with suppress(StoreBusy), self.locked() as connection:
            self.connections.checkpoint(connection)

    def ensure_available(self) -> None:
        """Open the files at the path if they were replaced. Raise StoreError if they are lost."""
        if self.connections.guard.is_well():
            return  # without waiting for the lock
        with self.locked() as connection:
            self.connections.guard.check_content(connection)

    def close(self) -> None:
        """Close all connections; a store that was written to is left without a WAL.

        If another process has the store open, emptying the WAL is left to that process.
        """
        self.connections.close_idle()
        if self.writer is not None:
            # The last connection to close runs a checkpoint, too, so it must hold the lock. If the
            # lock cannot be acquired, its holder has a connection, and ours is not the last.
            with suppress(StoreError), self.locked() as connection:
                self.connections.checkpoint(connection)
                self.connections.close()
        self.connections.close()

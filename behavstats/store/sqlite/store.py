"""The store: one object with the verbs that the rest of the program uses."""

import math
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from behavstats.clock import system_clock
from behavstats.errors import (
    NoStore,
    SourceError,
    StoreBusy,
    StoreError,
    StoreUnavailable,
    UnknownUser,
)
from behavstats.model.page_view import PageView, Rejection
from behavstats.model.profile import Window
from behavstats.model.retention import Bounds
from behavstats.model.summary import Summary
from behavstats.store import base
from behavstats.store.base import OffsetUpdate, Receipt, Selection
from behavstats.store.sqlite import deletion, files, migrations, offset_queries
from behavstats.store.sqlite.connection import Access, Connection, translated
from behavstats.store.sqlite.connection_pool import Connections, Reading
from behavstats.store.sqlite.erasure import erase_user
from behavstats.store.sqlite.insert import insert_page_views
from behavstats.store.sqlite.key_cache import Keys
from behavstats.store.sqlite.lock import StoreLock
from behavstats.store.sqlite.migrations import VERSION
from behavstats.store.sqlite.offsets import SourceOffsets
from behavstats.store.sqlite.queries import read_page_views, read_summary
from behavstats.store.sqlite.retention import RejectedLines
from behavstats.store.sqlite.rollup_refresh import (
    has_stale_days,
    invalidate_all_rollups,
    refresh_rollups,
)
from behavstats.store.sqlite.wal import READERS_TIMEOUT

if TYPE_CHECKING:
    from behavstats.model.columns import PageViews
    from behavstats.store.base import Statistics
    from behavstats.store.sqlite.bulk_load import BulkLoad

_LOADED_AT_ONCE = 50_000  # page views; others wait for a twentieth of a second then
_COUNTS = "SELECT (SELECT count(*) FROM page_view), (SELECT count(*) FROM summary)"
_SETTLED_AT_ONCE = 0.01  # seconds; others wait then
# Bytes of a WAL that is copied into the database. That costs less, the more commits it is for; but
# those who post wait meanwhile.
_LARGE_WAL = 1536 * 1024
_LARGE_WAL_OF_MANY = 8 * 1024 * 1024
_DEFAULT_BOUNDS = Bounds()
_EVERYTHING = Selection()
_MANY_AT_ONCE = 250  # page views; who sends so many waits longer anyway


class Store:
    """A store in use. Any number of threads and processes may have one on the same file.

    Reads run side by side on pooled connections that cannot write. Writes, and checkpoints, run
    one at a time on one connection under the store's lock. Every verb raises StoreError where the
    store cannot do it. Close it, or use it as a context manager.
    """

    def __init__(self, path: Path, lock_timeout: float, lock: StoreLock, bounds: Bounds) -> None:
        """Do not call; see `open` and `create`."""
        self.path = path
        self._lock_timeout = lock_timeout
        self._lock = lock
        self._clock = system_clock
        self._connections = Connections(path)
        self._openings = 0
        self._keys = Keys.empty()
        self._remembering: list[Keys | BulkLoad] = [self._keys]
        self._wal = self._connections.wal
        self._data_version: int | None = None
        self.rejected = RejectedLines(path, bounds, self._reading, self._writing)
        """The rejected lines, beyond the verbs here."""
        self.offsets = SourceOffsets(self._reading, self._writing)
        """How far files were taken that are followed."""

    @classmethod
    def open(
        cls,
        path: Path,
        lock_timeout: float,
        on_wait: Callable[[], None] = lambda: None,
        bounds: Bounds = _DEFAULT_BOUNDS,
        *,
        clock: Callable[[], int] = system_clock,
    ) -> Self:
        """Open the store at `path`; wait `lock_timeout` seconds at most for a turn to write.

        Where that takes long, `on_wait` is called. `bounds` are those of the rejected lines that
        are kept; `clock` returns ms since the epoch. Raises NoStore if there is none, and makes
        nothing; NotAStore if it is something else.
        """
        path = files.resolved(path)
        files.check_file(path)
        lock = StoreLock(path, lock_timeout, on_wait)
        files.check_log(path, lock)
        store = cls(path, lock_timeout, lock, bounds)
        store._clock = clock
        with ExitStack() as on_failure:
            on_failure.callback(store.close)
            if Path(f"{path}-journal").exists():
                # SQLite undoes a transaction of a process that was killed as it made a store, or
                # led it to a new version: not in WAL mode, and not on connections that only read.
                with store._turn() as connection:
                    connection.execute("SELECT 1 FROM sqlite_schema").fetchone()
            with store._reading() as connection:
                version = migrations.check_version(connection, path)
            if version == 0:
                raise NoStore(path)
            if version < VERSION:
                store._migrate()
            on_failure.pop_all()
        return store

    @classmethod
    def create(
        cls,
        path: Path,
        lock_timeout: float,
        on_wait: Callable[[], None] = lambda: None,
        bounds: Bounds = _DEFAULT_BOUNDS,
        *,
        clock: Callable[[], int] = system_clock,
    ) -> Self:
        """Open the store at `path`, making it if there is none."""
        path = files.resolved(path)
        if not path.parent.is_dir():
            raise StoreUnavailable(f"the store {path} cannot be made: no folder {path.parent}")
        try:
            return cls.open(path, lock_timeout, on_wait, bounds, clock=clock)
        except NoStore:
            with StoreLock(path, lock_timeout, on_wait).held(), translated(path):
                files.clear_leftovers(path)
                migrations.make(path)
            return cls.open(path, lock_timeout, on_wait, bounds, clock=clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections; a store that was written to is left without a WAL.

        Where another process holds the store, its WAL is that one's to empty.
        """
        self._connections.close_idle()
        if self._writer is not None:
            # The last connection to close makes a checkpoint, too: under the lock, therefore. Where
            # that is not to be had, whoever has it has a connection, and ours is not the last.
            with suppress(StoreError), self._turn() as connection:
                self._connections.empty_log(connection)
                self._connections.close()
        self._connections.close()

    def stop_waiting(self) -> None:
        """From now on, raise StoreBusy at once where another process has the turn to write."""
        self._lock.lock_timeout = 0

    def add(self, views: Sequence[PageView], rejections: Sequence[Rejection] = ()) -> int:
        """Store page views and rejected lines, durable on return.

        In one transaction, unless there are many rejected lines: these follow in more of them.
        Returns how many of the page views were not there yet.
        """
        first, *more = base.pieces(rejections) or [[]]
        with self._turn() as connection:
            with self._transaction(connection):
                added = insert_page_views(connection, self._keys, views)
                if first:
                    self.rejected.insert(connection, first)
            few = len(views) < _MANY_AT_ONCE
            self._wal.empty_if_longer(connection, _LARGE_WAL if few else _LARGE_WAL_OF_MANY)
        for piece in more:
            self.rejected.add(piece)
        return added

    def load(
        self,
        views: "PageViews",
        rejections: Sequence[Rejection] = (),
        steps: Sequence[OffsetUpdate] = (),
    ) -> Iterator[tuple[int, int]]:
        """Store many page views, in the order of their keys and in transactions of bounded size.

        Yields after each how many page views it held, and how many were new; they are durable then.
        Iterate to the end: the last transactions hold the rejected lines, and the very last one the
        offsets. Raises OffsetConflict if another process has recorded a newer offset.
        """
        from behavstats.store.sqlite.bulk_load import BulkLoad  # and NumPy with it

        loading = BulkLoad(views, self._keys)
        with ExitStack() as held:
            openings = max(1, self._connections.openings)
            order = loading.prepare(held.enter_context(self._reading()))
            end = len(order) or min(1, len(rejections) + len(steps))  # there may be only these
            *before, last = base.pieces(rejections) or [[]]
            for start in range(0, end, _LOADED_AT_ONCE):
                rows = order[start : start + _LOADED_AT_ONCE]
                is_last = start + _LOADED_AT_ONCE >= end
                for piece in before if is_last else ():
                    self.rejected.add(piece)
                    yield 0, 0
                with self._turn() as connection:
                    with self._transaction(connection):
                        if self._connections.openings > openings:
                            loading.forget()  # it was prepared on files that were replaced
                        added = loading.insert(connection, rows)
                        if is_last:
                            self.rejected.insert(connection, last)
                            offset_queries.advance(connection, steps)
                    loading.note_commit(connection)
                    if not start:
                        self._remembering.append(loading)
                        held.callback(self._remembering.remove, loading)
                    self._wal.empty_if_longer(connection, _LARGE_WAL_OF_MANY)
                yield len(rows), added

    def summary(self, user_id: str, window: Window) -> Summary:
        """Return the summary of a user's page views in a window; UnknownUser if there is none."""
        with self._reading() as connection:
            return read_summary(connection, user_id, window)

    def page_views(self, user_id: str) -> Iterator[list[PageView]]:
        """Yield all page views of a user in order of time, in lists; UnknownUser if none."""
        with self._reading() as connection:
            yield from read_page_views(connection, user_id)

    def refresh_rollups(self, seconds: float = math.inf) -> bool:
        """Make the summaries that are missing, in short transactions, for about so many seconds.

        One transaction at least, if there are any, and one for as long as a day takes; returns
        whether there may be more to do.
        """
        deadline = time.monotonic() + seconds
        deletion.finish_abandoned(self._access())
        with self._reading() as connection:  # nobody waits for the lock if there is nothing to do
            if not has_stale_days(connection):
                return False
        while True:
            with self._writing() as connection:
                more = refresh_rollups(connection, _SETTLED_AT_ONCE)
            if not more or time.monotonic() >= deadline:
                return more

    def check(self) -> Iterator[str]:
        """Yield what is wrong with the store, a line for each difference; none if it is sound."""
        from behavstats.store.sqlite.integrity import check

        with suppress(StoreBusy, StoreUnavailable):  # else, it is for the next who writes
            deletion.finish_abandoned(self._access())
        with self._reading() as connection, closing(check(connection)) as differences:
            yield from differences

    def repair(self) -> None:
        """Make all that is derived anew, from the page views."""
        invalidate_all_rollups(self._access())
        self.refresh_rollups()

    def counts(self) -> tuple[int, int]:
        """Return how many page views the store holds, and how many summaries."""
        with self._reading() as connection:
            row = connection.execute(_COUNTS).fetchone()
        return row[0], row[1]

    def statistics(self) -> "Statistics":
        """Count what the store holds; looks at every page view, which takes a while."""
        from behavstats.store.sqlite.statistics import read_statistics  # and NumPy with it

        with self._reading() as connection:
            return read_statistics(connection, self.path)

    def newest(self) -> int:
        """Return the instant of the newest page view in ms, 0 if there is none; looks at all."""
        with self._reading() as connection:
            row = connection.execute("SELECT coalesce(max(ts), 0) FROM page_view").fetchone()
        return int(row[0])

    def forget(self, user_id: str) -> Receipt:
        """Erase a user from every file of the store, and return what was erased.

        In short transactions; if they are cut off, asking again finishes them, and else the next
        who settles. Raises UnknownUser if there is nothing of the user. Raises StoreBusy if another
        program keeps the WAL in use: then the user is erased, but not all bytes of it; asking
        again, or the next write without that program, finishes it.
        """
        try:
            return erase_user(self._access(), self.rejected, user_id)
        except UnknownUser:
            self.checkpoint()
            raise

    def rejections(self) -> Iterator[Rejection]:
        """Yield the rejected lines in the order in which they came."""
        return (rejection for _, rejection in self.rejected.read(Selection()))

    def count_rejections(self) -> int:
        """Return how many rejected lines are kept."""
        return self.rejected.totals().lines

    def clear_rejections(
        self, selection: Selection = _EVERYTHING, up_to: int | None = None, *, whole: bool = True
    ) -> int:
        """Delete rejected lines up to a number, overwriting them; return how many there were.

        Unless `whole`, those stay of which only the beginning is kept.
        """
        self.check_writable()
        count = self.rejected.clear(selection, up_to, whole=whole)
        self._wal.overwrite(self._turn, f"{count:,} rejected lines")
        return count

    def back_up(self, to: Path, *, force: bool) -> None:
        """Copy the store, as it is now; BackupError if it cannot, or must not without `force`."""
        from behavstats.store.sqlite.backup import back_up

        with self._reading() as connection:
            back_up(connection, self.path, to, force=force)

    def check_not_of(self, path: str) -> None:
        """Raise SourceError for a path that leads to one of the store's own files."""
        if files.is_of(self.path, path):
            raise SourceError(f"{path}: belongs to the store itself")

    def checkpoint(self) -> None:
        """Copy the write-ahead log into the database and empty it, unless others are using it."""
        with suppress(StoreBusy), self._turn() as connection:
            self._connections.empty_log(connection)

    def look_after_files(self) -> None:
        """Raise StoreError if others moved, removed or replaced the files; open new ones."""
        if self._connections.guard.is_well():
            return  # nobody waits for the lock
        with self._turn() as connection:
            self._connections.guard.check_content(connection)

    def check_readable(self) -> None:
        """Raise StoreError if the store cannot be read."""
        with self._reading() as connection:
            connection.execute("SELECT 1 FROM page_view LIMIT 1").fetchone()

    def check_writable(self) -> None:
        """Raise StoreError if the store cannot be written to; StoreBusy if somebody else does."""
        with self._turn() as connection, self._transaction(connection):
            connection.execute("DELETE FROM page_view WHERE false")  # BEGIN takes any file

    @property
    def _writer(self) -> Connection | None:
        return self._connections.writer

    def _reading(self) -> Reading:
        """Lend a connection that can only read."""
        return Reading(self._connections)

    @contextmanager
    def _turn(self) -> Iterator[Connection]:
        """Hold the store's lock, and lend the connection that writes."""
        with self._lock.held(), translated(self.path):
            connection = self._connections.open_writer()
            if self._openings != self._connections.openings:
                self._openings = self._connections.openings
                self._data_version = None  # comparable on one connection only
            try:
                yield connection
            except BaseException as error:
                self._connections.explain(error)
                raise

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """Lend the connection that writes for a transaction, with the store's lock held."""
        with self._turn() as connection:
            with self._transaction(connection):
                yield connection
            self._wal.empty_if_longer(connection, _LARGE_WAL)

    def _access(self) -> Access:
        overwrite = partial(self._wal.overwrite, self._turn)
        return Access(self._reading, self._writing, self._forget_keys, overwrite, self._clock)

    @contextmanager
    def _transaction(self, connection: sqlite3.Connection) -> Iterator[None]:
        """Commit what is done inside, or none of it."""
        guard = self._connections.guard
        connection.execute("BEGIN IMMEDIATE")
        try:
            (data_version,) = connection.execute("PRAGMA data_version").fetchone()
            if data_version != self._data_version:
                # Another connection wrote. Who was forgotten there must not keep a key here, nor
                # bytes in the WAL if it could not be emptied then.
                self._forget_keys()
                self._wal.is_due = True
                migrations.check_still_ours(connection, self.path)
                self._data_version = data_version
            yield
            guard.seal(connection)
            connection.execute("COMMIT")
            guard.check_commit(connection)
        except BaseException:
            guard.doubt()
            self._forget_keys()
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _migrate(self) -> None:
        """Lead an older store to the newest version, while nobody else has it open.

        A program of that older version does not know what it would have to keep right.
        """
        self._connections.close_idle()
        with self._turn() as connection:
            version = migrations.check_version(connection, self.path)
            if version == VERSION:  # another process was first
                return
            lock_timeout = min(self._lock_timeout, READERS_TIMEOUT)
            migrations.migrate_alone(connection, self.path, version, lock_timeout)
            self._connections.note_anew(connection)

    def _forget_keys(self) -> None:
        for memory in [*self._remembering]:  # a load in another thread may be at its end
            memory.forget()

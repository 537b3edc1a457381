"""A store of one SQLite file."""

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

from behavstats.errors import UnknownUser
from behavstats.model.page_view import PageView, Rejection
from behavstats.model.profile import Window
from behavstats.model.retention import Bounds
from behavstats.model.summary import Summary
from behavstats.store import base
from behavstats.store.base import OffsetUpdate, Receipt
from behavstats.store.sqlite import files, maintenance, offset_queries
from behavstats.store.sqlite.database import Database
from behavstats.store.sqlite.erasure import erase_user
from behavstats.store.sqlite.insert import insert_page_views
from behavstats.store.sqlite.key_cache import Keys
from behavstats.store.sqlite.offsets import SourceOffsets
from behavstats.store.sqlite.queries import read_counts, read_newest, read_page_views, read_summary
from behavstats.store.sqlite.retention import RejectedLines
from behavstats.store.sqlite.rollup_refresh import invalidate_all_rollups

if TYPE_CHECKING:
    from behavstats.model.columns import PageViews
    from behavstats.store.base import Statistics

_LOADED_AT_ONCE = 50_000  # page views; other writers wait a twentieth of a second for them
_MANY_AT_ONCE = 250  # page views; a request with so many takes longer anyway


class SqliteStore:
    """A `Store` in one SQLite file, with a write-ahead log and two lock files next to it."""

    def __init__(self, database: Database, bounds: Bounds) -> None:
        self.database = database
        self.path = database.path
        self.address = str(self.path)
        self.rejected = RejectedLines(self.path, bounds, database)
        """The rejected lines."""
        self.offsets = SourceOffsets(database.reading, database.writing)
        """The source offsets of watched files."""
        self._keys = Keys.empty()
        database.caches.append(self._keys)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections; a store that was written to is left without a WAL."""
        self.database.close()

    def wait_at_most(self, seconds: float) -> None:
        """From now on, wait only so long before raising StoreBusy, and never call `on_wait`."""
        self.database.lock.lock_timeout = seconds
        self.database.lock.on_wait = lambda: None

    def add(self, views: Sequence[PageView], rejections: Sequence[Rejection] = ()) -> int:
        """Store page views and rejected lines, durable on return; return how many are new.

        They are stored in one transaction. If there are many rejected lines, the rest of these
        lines follows in further transactions.
        """
        first, *more = base.pieces(rejections) or [[]]
        with self.database.locked() as connection:
            with self.database.transaction(connection):
                added = insert_page_views(connection, self._keys, views)
                if first:
                    self.rejected.insert(connection, first)
            self.database.checkpoint_if_large(connection, of_many=len(views) >= _MANY_AT_ONCE)
        for piece in more:
            self.rejected.add(piece)
        return added

    def load(
        self,
        views: "PageViews",
        rejections: Sequence[Rejection] = (),
        updates: Sequence[OffsetUpdate] = (),
    ) -> Iterator[tuple[int, int]]:
        """Store many page views, in the order of their keys and in transactions of bounded size.

        After each transaction, yields how many page views it held and how many of them are new;
        they are durable then. Iterate to the end, because each step stores the next part. The last
        transactions hold the rejected lines, and the very last the offset updates. Raises
        OffsetConflict if another process has stored a newer offset.
        """
        from behavstats.store.sqlite.bulk_load import BulkLoad  # and NumPy with it

        connections = self.database.connections
        loading, openings = BulkLoad(views, self._keys), max(1, connections.openings)
        with ExitStack() as held:
            order = loading.prepare(held.enter_context(self.database.reading()))
            end = len(order) or min(1, len(rejections) + len(updates))  # there may be no page views
            *before, last = base.pieces(rejections) or [[]]
            for start in range(0, end, _LOADED_AT_ONCE):
                rows = order[start : start + _LOADED_AT_ONCE]
                is_last = start + _LOADED_AT_ONCE >= end
                for piece in before if is_last else ():
                    self.rejected.add(piece)
                    yield 0, 0
                with self.database.locked() as connection:
                    with self.database.transaction(connection):
                        if connections.openings > openings:
                            loading.forget()  # it was prepared on files that were replaced
                        added = loading.insert(connection, rows)
                        if is_last:
                            self.rejected.insert(connection, last)
                            offset_queries.advance(connection, updates)
                    loading.note_commit(connection)
                    if not start:
                        held.enter_context(self.database.cached(loading))
                    self.database.checkpoint_if_large(connection, of_many=True)
                yield len(rows), added

    def summary(self, user_id: str, window: Window) -> Summary:
        """Return the summary of a user's page views in a window. Raise UnknownUser if unknown."""
        with self.database.reading() as connection:
            return read_summary(connection, user_id, window)

    def page_views(self, user_id: str) -> Iterator[list[PageView]]:
        """Yield all page views of a user in order of time. Raise UnknownUser if there are none."""
        with self.database.reading() as connection:
            yield from read_page_views(connection, user_id)

    def newest(self) -> int:
        """Return the time of the newest page view in ms, or 0; reads all page views."""
        with self.database.reading() as connection:
            return read_newest(connection)

    def counts(self) -> tuple[int, int]:
        """Return the number of page views and the number of rollups."""
        with self.database.reading() as connection:
            return read_counts(connection)

    def statistics(self) -> "Statistics":
        """Count what the store holds; reads all page views, which takes a while."""
        from behavstats.store.sqlite.statistics import read_statistics  # imports NumPy

        with self.database.reading() as connection:
            return read_statistics(connection, self.path)

    def forget(self, user_id: str) -> Receipt:
        """Erase a user from every file of the store, in short transactions.

        If the process is killed meanwhile, forgetting the user again finishes the erasure, and so
        does the next `refresh_rollups` of any process. Raises UnknownUser if the store holds
        nothing of the user. Raises StoreBusy if another program keeps the WAL in use: the user is
        erased then, but not all bytes are; forgetting the user again, or the next write without
        that program, overwrites them.
        """
        try:
            return erase_user(self.database, self.rejected, user_id)
        except UnknownUser:
            self.maintain()
            raise

    def refresh_rollups(self, seconds: float = math.inf) -> bool:
        """Compute missing rollups for about `seconds`; return whether there may be more to do."""
        return maintenance.refresh(self.database, seconds)

    def maintain(self) -> None:
        """Copy the write-ahead log into the database and truncate it, unless the store is busy."""
        self.database.checkpoint()

    def ensure_available(self) -> None:
        """Open the files at the path if they were replaced; raise StoreError if they are lost."""
        self.database.ensure_available()

    def check(self) -> Iterator[str]:
        """Yield a line for each fault that is found; a sound store yields no line."""
        return maintenance.check(self.database)

    def repair(self) -> None:
        """Compute all rollups again, from the page views."""
        invalidate_all_rollups(self.database)
        self.refresh_rollups()

    def back_up(self, to: Path, *, force: bool) -> None:
        """Copy the store as it is now; raise BackupError if that fails, or needs `force`."""
        from behavstats.store.sqlite.backup import back_up

        with self.database.reading() as connection:
            back_up(connection, self.path, to, force=force)

    def files(self) -> list[Path]:
        """Return the store's file, and the files that SQLite and the lock may put next to it."""
        return files.files_of(self.path)

    def sizes(self) -> dict[str, int]:
        """Return the sizes in bytes of the store's file (`store`) and of its log (`wal`)."""
        measured = {"store": self.path, "wal": Path(f"{self.path}-wal")}
        return {
            name: file.stat().st_size if file.exists() else 0 for name, file in measured.items()
        }

    def check_readable(self) -> None:
        """Raise StoreError if the store cannot be read."""
        with self.database.reading() as connection:
            connection.execute("SELECT 1 FROM page_view LIMIT 1").fetchone()

    def check_writable(self) -> None:
        """Raise StoreError if the store cannot be written to, StoreBusy if the lock is held."""
        with self.database.locked() as connection, self.database.transaction(connection):
            connection.execute("DELETE FROM page_view WHERE false")  # BEGIN alone takes any file

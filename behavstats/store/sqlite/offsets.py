"""The source offsets of a SQLite store: how far each watched file has been ingested."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from behavstats.store.base import SourceOffset
from behavstats.store.sqlite import offset_queries
from behavstats.store.sqlite.connection import Connection
from behavstats.store.sqlite.erased_users import Erasures, erasures_since


class SourceOffsets:
    """The source offsets of a store. Each method is one short read or one short transaction.

    `SqliteStore.load` advances the offsets, in the transaction that stores the lines.
    """

    def __init__(
        self,
        reading: Callable[[], AbstractContextManager[Connection]],
        writing: Callable[[], AbstractContextManager[sqlite3.Connection]],
    ) -> None:
        """Take functions that lend a connection: to read, or within a locked transaction."""
        self._reading = reading
        self._writing = writing

    def all(self) -> list[SourceOffset]:
        """Return all source offsets, sorted by name."""
        with self._reading() as connection:
            return offset_queries.read_all(connection)

    def of(self, device: int, inode: int) -> SourceOffset | None:
        """Return the offset of a file, or None if nothing of it has been ingested."""
        with self._reading() as connection:
            return offset_queries.find(connection, device, inode)

    def by_prefixes(self, prefixes: Sequence[bytes]) -> list[SourceOffset]:
        """Return the offsets of files with one of these prefix digests, the largest first."""
        with self._reading() as connection:
            return offset_queries.find_by_prefixes(connection, prefixes)

    def asked_since(self, names: Sequence[str], now: int) -> list[int]:
        """Return since when (ms) each name has been watched; a new name is stored with `now`."""
        since = self._asked_since(names)
        if any(instant is None or instant > now for instant in since):
            with self._writing() as connection:
                offset_queries.ask(connection, names, now)
            since = self._asked_since(names)
        return [now if instant is None else instant for instant in since]

    def _asked_since(self, names: Sequence[str]) -> list[int | None]:
        with self._reading() as connection:
            return [offset_queries.asked_since(connection, name) for name in names]

    def move(self, of: SourceOffset, file: tuple[int, int] | None) -> None:
        """Record that a content is now in another file (device and inode), or in no file."""
        with self._writing() as connection:
            offset_queries.move(connection, of.id, file)

    def mark_rotated(self, device: int, inode: int) -> None:
        """Record that a file was read from its beginning because it had been rotated."""
        with self._writing() as connection:
            offset_queries.mark_rotated(connection, device, inode)

    def forget(self, name: str) -> None:
        """Delete the offsets of the files with this name. Raise UnknownSource if there are none."""
        with self._writing() as connection:
            offset_queries.forget(connection, name)

    def erasures_since(self, instant: int) -> Erasures:
        """Return the users erased since an instant (ms) whom watched files may mention."""
        with self._reading() as connection:
            return erasures_since(connection, instant)

"""The verbs on source offsets: how far each file was taken that is followed."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from behavstats.store.base import SourceOffset
from behavstats.store.sqlite import offset_queries
from behavstats.store.sqlite.connection import Connection
from behavstats.store.sqlite.erased_users import Erasures, erasures_since


class SourceOffsets:
    """The source offsets of a store. Each verb is one short read or one short transaction.

    Raises StoreError as the store does. How far files were taken is written by `Store.load`.
    """

    def __init__(
        self,
        reading: Callable[[], AbstractContextManager[Connection]],
        writing: Callable[[], AbstractContextManager[sqlite3.Connection]],
    ) -> None:
        """Work on what `reading` lends and, within a transaction under the lock, `writing`."""
        self._reading = reading
        self._writing = writing

    def all(self) -> list[SourceOffset]:
        """Return how far each file was taken that is followed, in the order of their names."""
        with self._reading() as connection:
            return offset_queries.read_all(connection)

    def of(self, device: int, inode: int) -> SourceOffset | None:
        """Return how far a file was taken, if any of it was."""
        with self._reading() as connection:
            return offset_queries.find(connection, device, inode)

    def by_beginnings(self, heads: Sequence[bytes]) -> list[SourceOffset]:
        """Return the progress of files that begin with one of these digests, furthest first."""
        with self._reading() as connection:
            return offset_queries.find_by_beginnings(connection, heads)

    def asked_since(self, names: Sequence[str], now: int) -> list[int]:
        """Return since when (ms) files are asked for by their names; noted as now, if never."""
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
        """Note that a content is in another file now (device and inode), or in none any more."""
        with self._writing() as connection:
            offset_queries.move(connection, of.id, file)

    def mark_rotated(self, device: int, inode: int) -> None:
        """Note that a file was begun anew because what it held before was rotated."""
        with self._writing() as connection:
            offset_queries.mark_rotated(connection, device, inode)

    def forget(self, name: str) -> None:
        """Forget how far the files of a name were taken; UnknownSource if there is none."""
        with self._writing() as connection:
            offset_queries.forget(connection, name)

    def erasures_since(self, instant: int) -> Erasures:
        """Return the users who were erased from an instant (ms) on, while files were followed."""
        with self._reading() as connection:
            return erasures_since(connection, instant)

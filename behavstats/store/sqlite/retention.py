"""Keeps rejected lines within their bounds, in transactions that hardly delay other writers."""

import math
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from behavstats.model.page_view import Rejection
from behavstats.model.retention import Bounds
from behavstats.store import base
from behavstats.store.base import EVERYTHING, Group, Selection, Totals
from behavstats.store.sqlite import eviction, rejected_lines
from behavstats.store.sqlite.connection import Access, engine, translated

_AT_ONCE = 0.01  # seconds for which one transaction blanks lines
_BLANKED_AT_ONCE = 8  # lines, of at most 1 MiB
_ROUNDS = 5  # of reading lines that were added meanwhile
_EVICTING = 3  # steps for each piece that is added, so that evicting keeps up
_MOST_BLANKED = 10_000  # lines that are evicted before their rows are deleted


class RejectedLines:
    """The rejected lines of a store; each method writes in short transactions.

    Like the methods of the store, these raise StoreError.
    """

    def __init__(self, path: Path, bounds: Bounds, store: Access) -> None:
        """Work on the store at `path`, to which `store` gives access."""
        self.bounds = bounds
        self._path = path
        self._store = store
        self._may_hold_blank_rows = True  # other processes may have left some
        self._evicted = 0  # lines, since their rows were deleted last

    def add(self, rejections: Sequence[Rejection]) -> None:
        """Keep rejected lines, durable on return."""
        for piece in base.pieces(rejections):
            with self._store.writing() as connection:
                self.insert(connection, piece)
            if self._evicted >= _MOST_BLANKED:  # otherwise a large file would make the store grow
                self._delete_blank_rows(math.inf)

    def insert(self, connection: sqlite3.Connection, piece: Sequence[Rejection]) -> None:
        """Keep a piece of rejected lines within the open write transaction, evicting others."""
        rejected_lines.insert_rejections(connection, piece, self._store.clock())
        for _ in range(_EVICTING):
            evicted = eviction.evict(connection, self.bounds)
            if not evicted:
                break
            self._evicted += evicted
            self._may_hold_blank_rows = True

    def read(self, selection: Selection) -> Iterator[tuple[int, Rejection]]:
        """Yield lines with their numbers, in the order in which they came."""
        with translated(self._path):
            yield from rejected_lines.read_rejections(engine(self._path), selection)

    def totals(self) -> Totals:
        """Return how many lines are kept, and how many have been dropped."""
        with self._store.reading() as connection:
            return rejected_lines.totals(connection)

    def groups(self, selection: Selection) -> list[Group]:
        """Return the number of selected lines for each source and reason."""
        with self._store.reading() as connection:
            return rejected_lines.groups(connection, selection)

    def clear(
        self, selection: Selection = EVERYTHING, up_to: int | None = None, *, whole: bool = True
    ) -> int:
        """Erase the selected lines up to a number, and return how many there were.

        Unless `whole`, lines of which only the beginning is kept are not erased.
        """
        with self._store.writing() as connection:  # fails even if there are no lines to erase
            connection.execute("DELETE FROM rejected_line WHERE false")
        with self._store.reading() as connection:
            ids = rejected_lines.selected_ids(connection, selection, up_to, whole=whole)
        count = self._blank(ids, rejected_lines.blank)
        self._store.overwrite(f"{count:,} rejected lines")
        return count

    def find(
        self, user_id: str, after: int = 0, rounds: int = _ROUNDS
    ) -> tuple[list[int], bool, int]:
        """Return the lines after `after` that mention a user, and whether one is the user's own.

        The third value is the number of the last line that was read. Lines that are added
        meanwhile are read in further rounds. Takes no lock.
        """
        ids: list[int] = []
        is_any_own = False
        for _ in range(rounds):
            with self._store.reading() as connection:
                up_to = rejected_lines.last_id(connection)
                for some, is_one_own in rejected_lines.lines_mentioning(
                    connection, user_id, after, up_to
                ):
                    ids += some
                    is_any_own = is_any_own or is_one_own
            if up_to == after:
                break
            after = up_to
        return ids, is_any_own, after

    def erase(self, ids: Sequence[int]) -> int:
        """Blank lines; return how many there were."""
        return self._blank(ids, rejected_lines.blank)

    def erase_sources(self, user_id: str) -> None:
        """Blank the names of sources that mention a user; their lines stay."""
        with self._store.reading() as connection:
            last = rejected_lines.last_id(connection)
            ids = rejected_lines.lines_of_sources_mentioning(connection, user_id, 0, last)
        self._blank(ids, rejected_lines.blank_sources)

    def trim(self, now: int, seconds: float) -> bool:
        """Blank lines beyond the bounds at an instant in ms, and delete blank rows.

        Works for about `seconds`, in short transactions. Returns whether there may be more to do.
        """
        deadline = time.monotonic() + seconds
        for step in (
            lambda connection: eviction.evict(connection, self.bounds),
            self._expiring(now),
        ):
            while self._is_due(now):
                with self._store.writing() as connection:
                    some = _for_a_moment(step, connection)
                self._may_hold_blank_rows = True
                if time.monotonic() >= deadline:
                    return True
                if not some:
                    break
        return self._may_hold_blank_rows and self._delete_blank_rows(deadline)

    def _expiring(self, now: int) -> Callable[[sqlite3.Connection], int]:
        return lambda connection: eviction.expire(connection, self.bounds, now)

    def _is_due(self, now: int) -> bool:
        with self._store.reading() as connection:  # without the lock, if there is nothing to do
            return eviction.is_due(connection, self.bounds, now)

    def _delete_blank_rows(self, deadline: float) -> bool:
        """Delete blank rows until a deadline; return whether there may be more."""
        with self._store.reading() as connection:
            ranges = [*eviction.blank_ranges(connection)]
        for rows in ranges:
            deleted = True
            while deleted:
                with self._store.writing() as connection:
                    deleted = eviction.delete_some(connection, rows) > 0
                if time.monotonic() >= deadline:
                    return True
        self._may_hold_blank_rows = False
        self._evicted = 0
        return False

    def _blank(
        self, ids: Sequence[int], step: Callable[[sqlite3.Connection, Sequence[int]], int | None]
    ) -> int:
        parts = iter(_parts(ids))
        count = 0
        part: Sequence[int] | None = next(parts, None)
        while part is not None:
            with self._store.writing() as connection:
                end = time.monotonic() + _AT_ONCE
                while part is not None and time.monotonic() < end:
                    count += step(connection, part) or 0
                    part = next(parts, None)
            self._may_hold_blank_rows = True
        return count


def _parts(ids: Sequence[int]) -> Iterable[Sequence[int]]:
    return (ids[start : start + _BLANKED_AT_ONCE] for start in range(0, len(ids), _BLANKED_AT_ONCE))


def _for_a_moment(step: Callable[[sqlite3.Connection], int], connection: sqlite3.Connection) -> int:
    """Repeat a step of a transaction while it does something, for a few ms at most."""
    end = time.monotonic() + _AT_ONCE
    total = 0
    while some := step(connection):
        total += some
        if time.monotonic() >= end:
            break
    return total

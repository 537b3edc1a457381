"""Many rows to insert into `page_view`, in an array."""

from collections.abc import Collection, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from behavstats.model.columns import Instants
from behavstats.model.timestamps import DAY
from behavstats.store.sqlite.rollups import MANY

Integers = NDArray[np.int64]
Order = NDArray[np.intp]

_ROWS_AT_ONCE = 500
_MANY_HERE = MANY // 4  # page views of a user's day that are added together
_DAY_BITS = 22  # up to the year 9999


class ManyRows:
    """Many rows in an array."""

    def __init__(self, users: Integers, instants: Instants, pages: Integers) -> None:
        table = np.empty((len(users), 3), np.int64)
        table[:, 0], table[:, 1], table[:, 2] = users, instants, pages
        if (users[1:] < users[:-1]).any():
            table = table[stable_order(users)]
        self._table = table
        self._starts = np.flatnonzero(np.diff(table[:, 0], prepend=-1))  # of each user's rows
        self.users: Sequence[int] = table[self._starts, 0].tolist()

    def values(self) -> Iterable[list[int]]:
        """Yield lists of values that are short enough for the processor's cache."""
        for start in range(0, len(self._table), _ROWS_AT_ONCE):
            yield self._table[start : start + _ROWS_AT_ONCE].ravel().tolist()

    def pages(self) -> list[int]:
        """Return the keys of the pages, each once."""
        pages: list[int] = np.unique(self._table[:, 2]).tolist()
        return pages

    def chosen(self, users: Collection[int], divisor: int) -> list[tuple[int, int]]:
        """Return (user, instant) of rows of `users` or with an instant that `divisor` divides."""
        chosen = self._table[:, 1] % divisor == 0
        if users:
            chosen |= np.isin(self._table[:, 0], [*users])
        return [(user, instant) for user, instant, _ in self._table[chosen].tolist()]

    def busy_days(self) -> set[tuple[int, int]]:
        """Return the days (user's key, first ms) of users with many of these page views."""
        counts = np.diff(self._starts, append=len(self._table))
        busy = self._table[np.repeat(counts >= _MANY_HERE, counts)]
        keys = busy[:, 0] << _DAY_BITS | busy[:, 1] // DAY
        days, views = np.unique(keys, return_counts=True)
        days = days[views >= _MANY_HERE]
        firsts = (days & ((1 << _DAY_BITS) - 1)) * DAY
        return {*zip((days >> _DAY_BITS).tolist(), firsts.tolist(), strict=True)}


def stable_order(keys: Integers) -> Order:
    """Return the stable order of keys; sorting by 16 bits at a time takes a tenth of the time."""
    order = np.argsort(keys.astype(np.uint16), kind="stable")
    shift = 16
    while keys.max(initial=0) >> shift:
        order = order[np.argsort((keys[order] >> shift).astype(np.uint16), kind="stable")]
        shift += 16
    return order

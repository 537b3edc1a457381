"""Rows to insert into `page_view`: keys in place of texts, sorted by user."""

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from itertools import chain
from operator import itemgetter
from typing import Protocol

from behavstats.store.sqlite.connection import json_array

Row = tuple[int, int, int]
"""A page view: its user's key, its instant in ms, its page's key."""

# A range of keys is read as a whole if it has at most this many keys for each wanted user.
_DENSE = 4


class KeyedRows(Protocol):
    """Rows in the order of their users."""

    users: Sequence[int]
    """The keys of the users, each once, in ascending order."""

    def values(self) -> Iterable[list[int]]:
        """Yield lists of values: user, instant and page of one row after the other."""

    def pages(self) -> Sequence[int]:
        """Return the keys of the pages, each once."""

    def chosen(self, users: Collection[int], divisor: int) -> list[tuple[int, int]]:
        """Return (user, instant) of rows of `users` or with an instant that `divisor` divides."""


class FewRows:
    """A few rows in a list, which is then faster than an array."""

    def __init__(self, rows: Iterable[Row]) -> None:
        # Sorted by user, so that each page of the file is visited once. Within a user, the original
        # order (mostly that of time) is good enough, and sorting by the whole key would take twice
        # as long.
        self._rows = sorted(rows, key=itemgetter(0))
        self.users: Sequence[int] = [*dict.fromkeys(map(itemgetter(0), self._rows))]

    def values(self) -> Iterable[list[int]]:
        """Yield the values of all rows together."""
        yield [*chain.from_iterable(self._rows)]

    def pages(self) -> Sequence[int]:
        """Return the keys of the pages, each once."""
        return [*{page for _, _, page in self._rows}]

    def chosen(self, users: Collection[int], divisor: int) -> list[tuple[int, int]]:
        """Return (user, instant) of rows of `users` or with an instant that `divisor` divides."""
        return [(user, at) for user, at, _ in self._rows if user in users or not at % divisor]


def users_with_rows(connection: sqlite3.Connection, table: str, users: Sequence[int]) -> set[int]:
    """Return the users who have rows in a table; the set may also hold users not asked for.

    `table` has an index that begins with `user`. The users' keys are in ascending order.
    """
    if not users:
        return set()
    first, last = users[0], users[-1]
    if len(users) == 1:  # parsing a JSON array would take longer than this
        found = connection.execute(f"SELECT user FROM {table} WHERE user = ? LIMIT 1", users)  # noqa: S608
    elif last - first < _DENSE * len(users):
        statement = f"SELECT DISTINCT user FROM {table} WHERE user BETWEEN ? AND ?"  # noqa: S608
        found = connection.execute(statement, (first, last))
    else:
        has_rows = f"SELECT 1 FROM {table} WHERE user = asked.value"  # noqa: S608
        statement = f"SELECT value FROM json_each(?) AS asked WHERE EXISTS ({has_rows})"  # noqa: S608
        found = connection.execute(statement, (json_array(users),))
    return {user for (user,) in found}

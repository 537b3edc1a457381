"""Rows of `page_view` on their way into the store: keys in place of texts, user by user."""

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from itertools import chain
from operator import itemgetter
from typing import Protocol

from behavstats.store.sqlite.connection import json_array

Row = tuple[int, int, int]
"""A page view: its user's key, its instant in ms, its page's key."""

# If a range of keys holds at most so many times as many keys as users, the range is read.
_DENSE = 4


class KeyedRows(Protocol):
    """Rows in the order of their users."""

    users: Sequence[int]
    """The keys of the users, each once, in ascending order."""

    def values(self) -> Iterable[list[int]]:
        """Yield user, instant and page of each row in turns, some rows at a time."""

    def pages(self) -> Sequence[int]:
        """Return the keys of the pages, each once."""

    def chosen(self, users: Collection[int], divisor: int) -> list[tuple[int, int]]:
        """Return user and instant of rows of `users`, and of instants that `divisor` divides."""


class FewRows:
    """Some rows as a list, which takes less time than an array as long as they are few."""

    def __init__(self, rows: Iterable[Row]) -> None:
        # User by user, so that each page of the file is met once; within a user, the order in which
        # they came (of time, mostly) is good enough, and costs half of sorting by the whole key.
        self._rows = sorted(rows, key=itemgetter(0))
        self.users: Sequence[int] = [*dict.fromkeys(map(itemgetter(0), self._rows))]

    def values(self) -> Iterable[list[int]]:
        """Yield the values of all rows together."""
        yield [*chain.from_iterable(self._rows)]

    def pages(self) -> Sequence[int]:
        """Return the keys of the pages, each once."""
        return [*{page for _, _, page in self._rows}]

    def chosen(self, users: Collection[int], divisor: int) -> list[tuple[int, int]]:
        """Return user and instant of rows of `users`, and of instants that `divisor` divides."""
        return [(user, at) for user, at, _ in self._rows if user in users or not at % divisor]


def users_with_rows(connection: sqlite3.Connection, table: str, users: Sequence[int]) -> set[int]:
    """Return those of some users who have rows in a table; the set may hold other users, too.

    `table` has an index that begins with `user`. The users' keys are in ascending order.
    """
    if not users:
        return set()
    first, last = users[0], users[-1]
    if len(users) == 1:  # a JSON array takes longer to read than this to find
        found = connection.execute(f"SELECT user FROM {table} WHERE user = ? LIMIT 1", users)  # noqa: S608
    elif last - first < _DENSE * len(users):
        statement = f"SELECT DISTINCT user FROM {table} WHERE user BETWEEN ? AND ?"  # noqa: S608
        found = connection.execute(statement, (first, last))
    else:
        has_rows = f"SELECT 1 FROM {table} WHERE user = asked.value"  # noqa: S608
        statement = f"SELECT value FROM json_each(?) AS asked WHERE EXISTS ({has_rows})"  # noqa: S608
        found = connection.execute(statement, (json_array(users),))
    return {user for (user,) in found}

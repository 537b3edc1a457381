"""Loading page views in columns, by the hundred thousand."""

import sqlite3
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from behavstats.columns import Numbers, PageViews
from behavstats.instants import DAY
from behavstats.store.database import json_array
from behavstats.store.settling import SAMPLED, note_unsettled, unsettle
from behavstats.store.summaries import MANY
from behavstats.store.writing import insert_rows
from behavstats.timestamps import Instants

Keys = NDArray[np.int64]
Order = NDArray[np.intp]

_ROWS_AT_ONCE = 500
_ASKED_AT_ONCE = 1_000  # texts; bounds the memory that they and their keys take on the way

# CROSS JOIN, so that it is the texts that are gone through.
_FIND = """
SELECT asked.key, {table}.id FROM json_each(?) AS asked
CROSS JOIN {table} ON {table}.{column} = asked.value
"""
_ADD = "INSERT INTO {table} ({column}) SELECT value FROM json_each(?) ORDER BY key"
_LAST_KEY = "SELECT seq FROM sqlite_sequence WHERE name = ?"
_SUMMARISED = "SELECT DISTINCT user FROM summary WHERE user BETWEEN ? AND ?"
_DAY_BITS = 22  # up to the year 9999
_MANY_HERE = MANY // 4  # page views of a day, in a part of a batch

_NOT_ASKED, _NONE = -1, 0  # in place of a key


class Loading:
    """Page views on their way into the store, part by part, each in a write transaction.

    What it knows of keys holds until another connection changes the file, so `forget` must be
    called then, and whenever a transaction is rolled back (as for an `Interner`). That others have
    written on this connection it sees itself.
    """

    def __init__(self, views: PageViews) -> None:
        self._changes = -1  # on the connection, up to the end of the last part
        self._views = views
        self._users = _Keys("user", "user_id", views.user_ids)
        self._pages = _Keys("page", "name", views.names)

    def forget(self) -> None:
        """Drop all that is known of keys."""
        self._users.forget()
        self._pages.forget()

    def ordered(self, connection: sqlite3.Connection) -> Order:
        """Return the numbers of the page views, user by user in the order in which they are stored.

        So that each page of the file is met once. Users without a key come last, in the order in
        which they will get one. Within a user, the order in which they came is good enough.
        """
        self._changes = connection.total_changes
        keys = self._users.found(connection, np.arange(len(self._views.user_ids)))
        new = self._users.by_text(np.flatnonzero(keys == _NONE))
        keys[new] = keys.max(initial=0) + 1 + np.arange(len(new))
        return _stably_sorted(keys[self._views.users])

    def insert(self, connection: sqlite3.Connection, rows: Order) -> int:
        """Insert some of the page views; return how many were not there yet."""
        if connection.total_changes != self._changes:
            self.forget()
        users = self._users.of(connection, self._views.users[rows])
        pages = self._pages.of(connection, self._views.pages[rows])
        instants = self._views.instants[rows]
        table = np.column_stack((users, instants, pages))
        # Some thousands at a time, which stay in the processor's cache on their way.
        added = sum(
            insert_rows(connection, table[start : start + _ROWS_AT_ONCE].ravel().tolist())
            for start in range(0, len(table), _ROWS_AT_ONCE)
        )
        if added:
            _unsettle_columns(connection, users, instants)
        self._changes = connection.total_changes
        return added


class _Keys:
    """The keys of numbered texts in a table, as far as they are known."""

    def __init__(self, table: str, column: str, texts: Sequence[str]) -> None:
        self._table = table
        self._find = _FIND.format(table=table, column=column)
        self._add = _ADD.format(table=table, column=column)
        self._texts = texts
        self.forget()

    def forget(self) -> None:
        self._keys = np.full(len(self._texts), _NOT_ASKED, np.int64)

    def of(self, connection: sqlite3.Connection, numbers: Numbers) -> Keys:
        """Return the keys of texts by their numbers, giving new ones to those that have none."""
        used = np.flatnonzero(np.bincount(numbers, minlength=len(self._texts)))
        new = self.by_text(used[self.found(connection, used) == _NONE])
        for added in self._in_parts(new):
            before = self._last_key(connection)
            connection.execute(self._add, (self._json(added),))
            # Each key is greater than the one before: so many, in so wide a range, are all of it.
            if self._last_key(connection) == before + len(added):
                self._keys[added] = before + 1 + np.arange(len(added))
            else:
                self._keys[added] = _NOT_ASKED
        self.found(connection, new)
        return self._keys[numbers]

    def _last_key(self, connection: sqlite3.Connection) -> int:
        row = connection.execute(_LAST_KEY, (self._table,)).fetchone()
        return int(row[0]) if row else 0

    def found(self, connection: sqlite3.Connection, numbers: Order) -> Keys:
        """Return the keys of texts by their numbers, 0 for those that have none."""
        for asked in self._in_parts(numbers[self._keys[numbers] == _NOT_ASKED]):
            self._keys[asked] = _NONE
            rows = connection.execute(self._find, (self._json(asked),)).fetchall()
            if rows:
                where, keys = np.array(rows, np.int64).T
                self._keys[asked[where]] = keys
        return self._keys[numbers]

    def by_text(self, numbers: Order) -> Order:
        """Return numbers in the order of their texts, in which the index on these grows at its end.

        Or nearly so; at random, it would be all over the file.
        """
        return np.array(sorted(numbers.tolist(), key=self._texts.__getitem__), np.intp)

    def _in_parts(self, numbers: Order) -> list[Order]:
        starts = range(0, len(numbers), _ASKED_AT_ONCE)
        return [numbers[start : start + _ASKED_AT_ONCE] for start in starts]

    def _json(self, numbers: Order) -> str:
        return json_array(self._texts[number] for number in numbers.tolist())


def _unsettle_columns(connection: sqlite3.Connection, users: Keys, instants: Instants) -> None:
    """Do as `unsettle`, without a look at each page view, and note the days that have many here."""
    among = (int(users.min()), int(users.max()))
    summarised = connection.execute(_SUMMARISED, among).fetchall()
    chosen = np.isin(users, [user for (user,) in summarised]) | (instants % SAMPLED == 0)
    unsettle(connection, zip(users[chosen].tolist(), instants[chosen].tolist(), strict=True))
    # The users come in order: those who have many page views here are found without sorting.
    starts = np.flatnonzero(np.diff(users, prepend=-1))
    counts = np.diff(starts, append=len(users))
    busy = np.repeat(counts >= _MANY_HERE, counts)
    days, views = np.unique(users[busy] << _DAY_BITS | instants[busy] // DAY, return_counts=True)
    heavy = days[views >= _MANY_HERE]
    of_users, starts = heavy >> _DAY_BITS, (heavy & ((1 << _DAY_BITS) - 1)) * DAY
    note_unsettled(connection, zip(of_users.tolist(), starts.tolist(), strict=True))


def _stably_sorted(keys: Keys) -> Order:
    """Return the order of keys, equal ones as they come: 16 bits at a time, which takes a tenth."""
    order = np.argsort(keys.astype(np.uint16), kind="stable")
    shift = 16
    while keys.max(initial=0) >> shift:
        order = order[np.argsort((keys[order] >> shift).astype(np.uint16), kind="stable")]
        shift += 16
    return order

"""Loading page views in columns, by the hundred thousand."""

import sqlite3
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from behavstats.model.columns import Instants, Numbers, PageViews
from behavstats.model.timestamps import DAY
from behavstats.store.sqlite.arrival_keys import is_dated_otherwise, users_dated_by_arrival
from behavstats.store.sqlite.connection import Connection, json_array
from behavstats.store.sqlite.deletion import spare
from behavstats.store.sqlite.insert import add_texts, insert_rows
from behavstats.store.sqlite.rollup_refresh import SAMPLED, invalidate_rollups, note_stale_days
from behavstats.store.sqlite.rollups import MANY

Keys = NDArray[np.int64]
Order = NDArray[np.intp]

_ROWS_AT_ONCE = 500
_ASKED_AT_ONCE = 1_000  # texts; bounds the memory that they and their keys take on the way

# CROSS JOIN, so that it is the hashes that are gone through.
_FIND = """
SELECT asked.key, {table}.id, {table}.{column} FROM json_each(?) AS asked
CROSS JOIN {table} ON {table}.hash = asked.value
"""
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
        self._reader: Connection | None = None
        self._version = -1  # of the file, as that one saw it first
        self._changes = -1  # on the connection, up to the end of the last part
        self._views = views
        self._users = _Keys("user", "user_id", views.user_ids)
        self._pages = _Keys("page", "name", views.names)

    def forget(self) -> None:
        """Drop all that is known of keys."""
        self._users.forget()
        self._pages.forget()

    def ordered(self, connection: Connection) -> Order:
        """Return the numbers of the page views, user by user in the order in which they are stored.

        So that each page of the file is met once. Users without a key come last, in the order in
        which they will get one. Within a user, the order in which they came is good enough.
        """
        self._reader, self._version = connection, _data_version(connection)
        self._pages.hash(connection)
        keys = self._users.found(connection, np.arange(len(self._views.user_ids)))
        new = self._users.by_hash(connection, np.flatnonzero(keys == _NONE))
        keys[new] = keys.max(initial=0) + 1 + np.arange(len(new))
        return _stably_sorted(keys[self._views.users])

    def _is_outdated(self, connection: Connection) -> bool:
        """Return whether somebody else wrote since keys were asked for."""
        reader, self._reader = self._reader, None
        if reader is not None:  # nobody wrote at all, then
            return _data_version(reader) != self._version
        return connection.total_changes != self._changes

    def insert(self, connection: Connection, rows: Order) -> int:
        """Insert some of the page views; return how many were not there yet."""
        if self._is_outdated(connection):
            self.forget()
        users = self._users.of(connection, self._views.users[rows])
        if known := self._known(connection, users, rows):
            rows, users = np.delete(rows, known), np.delete(users, known)
        pages = self._pages.of(connection, self._views.pages[rows])
        instants = self._views.instants[rows]
        table = np.column_stack((users, instants, pages))
        # Some thousands at a time, which stay in the processor's cache on their way.
        added = sum(
            insert_rows(connection, table[start : start + _ROWS_AT_ONCE].ravel().tolist())
            for start in range(0, len(table), _ROWS_AT_ONCE)
        )
        spare(connection, lambda: np.unique(pages).tolist())
        if added:
            _invalidate_columns(connection, users, instants)
        self._changes = connection.total_changes
        return added

    def _known(self, connection: Connection, users: Keys, rows: Order) -> list[int]:
        """Return which rows are stored already, dated by when their message arrived."""
        if not len(rows):
            return []
        dated = users_dated_by_arrival(connection, int(users.min()), int(users.max()))
        doubtful = np.flatnonzero(np.isin(users, dated)).tolist() if dated else []
        return [at for at in doubtful if self._is_dated(connection, int(users[at]), rows[at])]

    def _is_dated(self, connection: Connection, user: int, row: int) -> bool:
        views = self._views
        name = views.names[views.pages[row]]
        return is_dated_otherwise(connection, user, int(views.instants[row]), name)


class _Keys:
    """The keys of numbered texts in a table, as far as they are known."""

    def __init__(self, table: str, column: str, texts: Sequence[str]) -> None:
        self._table, self._column = table, column
        self._find = _FIND.format(table=table, column=column)
        self._texts = texts
        self._known_hashes: Keys | None = None
        self.forget()

    def forget(self) -> None:
        self._keys = np.full(len(self._texts), _NOT_ASKED, np.int64)

    def of(self, connection: Connection, numbers: Numbers) -> Keys:
        """Return the keys of texts by their numbers, giving new ones to those that have none."""
        used = np.flatnonzero(np.bincount(numbers, minlength=len(self._texts)))
        new = self.by_hash(connection, used[self.found(connection, used) == _NONE])
        if len(new):
            texts = [self._texts[number] for number in new.tolist()]
            hashes = self.hash(connection)[new].tolist()
            first = add_texts(connection, self._table, self._column, texts, hashes)
            self._keys[new] = first + np.arange(len(new))
        return self._keys[numbers]

    def found(self, connection: Connection, numbers: Order) -> Keys:
        """Return the keys of texts by their numbers, 0 for those that have none."""
        unknown = self.by_hash(connection, numbers[self._keys[numbers] == _NOT_ASKED])
        self._keys[unknown] = _NONE
        for start in range(0, len(unknown), _ASKED_AT_ONCE):
            asked = unknown[start : start + _ASKED_AT_ONCE]
            hashes = json_array(self.hash(connection)[asked].tolist())
            rows = connection.execute(self._find, (hashes,)).fetchall()
            which = asked.tolist()
            for at, key, text in rows:
                if self._texts[which[at]] == text:
                    self._keys[which[at]] = key
        return self._keys[numbers]

    def by_hash(self, connection: Connection, numbers: Order) -> Order:
        """Return numbers in the order of the index, so that each page of it is met once."""
        return numbers[np.argsort(self.hash(connection)[numbers])]

    def hash(self, connection: Connection) -> Keys:
        """Return the hashes of all texts; computed once."""
        if self._known_hashes is None:
            hashes = connection.hasher.hashes(self._texts)
            self._known_hashes = np.frombuffer(hashes, "<i8").astype(np.int64)
        return self._known_hashes


def _data_version(connection: Connection) -> int:
    (version,) = connection.execute("PRAGMA data_version").fetchone()
    return int(version)


def _invalidate_columns(connection: sqlite3.Connection, users: Keys, instants: Instants) -> None:
    """Invalidate rollups without a look at each page view, and note the days with many here."""
    among = (int(users.min()), int(users.max()))
    summarised = connection.execute(_SUMMARISED, among).fetchall()
    chosen = np.isin(users, [user for (user,) in summarised]) | (instants % SAMPLED == 0)
    invalidate_rollups(
        connection, zip(users[chosen].tolist(), instants[chosen].tolist(), strict=True)
    )
    # The users come in order: those who have many page views here are found without sorting.
    starts = np.flatnonzero(np.diff(users, prepend=-1))
    counts = np.diff(starts, append=len(users))
    busy = np.repeat(counts >= _MANY_HERE, counts)
    days, views = np.unique(users[busy] << _DAY_BITS | instants[busy] // DAY, return_counts=True)
    heavy = days[views >= _MANY_HERE]
    of_users, starts = heavy >> _DAY_BITS, (heavy & ((1 << _DAY_BITS) - 1)) * DAY
    note_stale_days(connection, zip(of_users.tolist(), starts.tolist(), strict=True))


def _stably_sorted(keys: Keys) -> Order:
    """Return the order of keys, equal ones as they come: 16 bits at a time, which takes a tenth."""
    order = np.argsort(keys.astype(np.uint16), kind="stable")
    shift = 16
    while keys.max(initial=0) >> shift:
        order = order[np.argsort((keys[order] >> shift).astype(np.uint16), kind="stable")]
        shift += 16
    return order

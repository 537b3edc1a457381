"""Adding page views: text to keys, rows user by user, many rows a statement."""

import sqlite3
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain, count
from operator import itemgetter
from struct import unpack
from sys import getsizeof

from behavstats.model.page_view import PageView
from behavstats.store.sqlite.arrival_keys import not_dated_before
from behavstats.store.sqlite.connection import Connection, json_array
from behavstats.store.sqlite.deletion import spare
from behavstats.store.sqlite.rollup_refresh import invalidate_rollups

_ROWS = 100  # in one INSERT: twice as fast as one; more gain nothing
_COLUMNS = 3
_INSERT = "INSERT OR IGNORE INTO page_view (user, ts, page) VALUES "
_ADD = "INSERT INTO {table} ({column}, hash) VALUES "
_LAST = "SELECT last_insert_rowid()"

_REMEMBERED = 16 * 1024 * 1024  # bytes, for each kind of text: some 100,000 short ones
_ENTRY = 100  # bytes that a text's key and its place in the dictionary take, roughly


class Interner:
    """Gives the texts of one column of one table their integer keys, and remembers many.

    Texts are found by their hashes, and compared with what is asked for.

    What it remembers holds until another connection changes the file (a user forgotten by another
    process gets a new key when they come back), so `forget` must be called then, and whenever a
    transaction is rolled back.
    """

    def __init__(self, table: str, column: str) -> None:
        hashes = "SELECT value FROM json_each(?)"
        self._find = f"SELECT {column}, id FROM {table} WHERE hash IN ({hashes})"  # noqa: S608
        self._table, self._column = table, column
        self.forget()

    def forget(self) -> None:
        """Drop all that is remembered."""
        self._keys: dict[str, int] = {}
        self._size = 0

    def keys(self, connection: Connection, texts: set[str]) -> dict[str, int]:
        """Return the keys of (at least) these texts, giving new ones to those that have none.

        To be called within a write transaction.
        """
        if self._size > _REMEMBERED:
            self.forget()
        missing = [text for text in texts if text not in self._keys]
        if missing:
            together = unpack(f"<{len(missing)}q", connection.hasher.hashes(missing))
            hashes = dict(zip(missing, together, strict=True))
            asked = json_array(sorted(hashes.values()))
            self._keys.update(connection.execute(self._find, (asked,)).fetchall())
            new = sorted(text for text in missing if text not in self._keys)
            first = add_texts(connection, self._table, self._column, new, map(hashes.get, new))
            self._keys.update(zip(new, count(first), strict=False))
            self._size += sum(getsizeof(text) + _ENTRY for text in missing)
        return self._keys


def insert_page_views(
    connection: Connection, users: Interner, pages: Interner, views: Sequence[PageView]
) -> int:
    """Insert page views within the open write transaction; return how many were not there yet."""
    user_keys = users.keys(connection, {view.user_id for view in views})
    views = not_dated_before(connection, user_keys, views)
    names = [view.name for view in views]
    page_keys = pages.keys(connection, set(names))
    # User by user, so that each page of the file is met once; within a user, the order in which
    # they came (of time, mostly) is good enough, and costs half of sorting by the whole key.
    rows = sorted(
        zip(
            [user_keys[view.user_id] for view in views],
            [view.instant for view in views],
            map(page_keys.__getitem__, names),
            strict=True,
        ),
        key=itemgetter(0),
    )
    added = insert_rows(connection, list(chain.from_iterable(rows)))
    spare(connection, lambda: [*{page for _, _, page in rows}])
    if added:
        invalidate_rollups(connection, [(user, instant) for user, instant, _ in rows])
    return added


def insert_rows(connection: sqlite3.Connection, values: list[int]) -> int:
    """Insert rows of `page_view`, given as user, ts and page in turns; return how many were new."""
    before = connection.total_changes
    _insert(connection, _INSERT, _COLUMNS, values)
    return connection.total_changes - before


def add_texts(
    connection: sqlite3.Connection,
    table: str,
    column: str,
    texts: Sequence[str],
    hashes: Iterable[int | None],
) -> int:
    """Add texts that a table does not have; return the key of the first, which others follow."""
    rows = zip(texts, hashes, strict=True)
    _insert(connection, _ADD.format(table=table, column=column), 2, [*chain.from_iterable(rows)])
    (last,) = connection.execute(_LAST).fetchone()
    return int(last) - len(texts) + 1


def _insert(
    connection: sqlite3.Connection, insert: str, columns: int, values: Sequence[object]
) -> None:
    """Insert rows of so many columns, whose values stand one after the other."""
    one, many = _statements(insert, columns)
    step = _ROWS * columns
    in_bulk = len(values) - len(values) % step
    for statement, start, end, length in (
        (many, 0, in_bulk, step),
        (one, in_bulk, len(values), columns),
    ):
        if start < end:
            rows = (values[at : at + length] for at in range(start, end, length))
            connection.executemany(statement, rows)


@cache
def _statements(insert: str, columns: int) -> tuple[str, str]:
    row = f"({', '.join('?' * columns)})"
    return insert + row, insert + ", ".join([row] * _ROWS)

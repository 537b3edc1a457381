"""Bulk load: a large batch of page views goes into the store part by part, in a good order."""

from collections.abc import Sequence

import numpy as np

from behavstats.model.columns import Numbers, PageViews
from behavstats.store.sqlite.arrival_keys import has_arrival_keys, is_stored_by_arrival
from behavstats.store.sqlite.connection import Connection
from behavstats.store.sqlite.insert import insert_rows_of_page_views
from behavstats.store.sqlite.key_cache import KeyCache, Keys, LookUp
from behavstats.store.sqlite.keyed_rows import users_with_rows
from behavstats.store.sqlite.many_rows import Integers, ManyRows, Order, stable_order
from behavstats.store.sqlite.rollup_refresh import record_stale_days

_NO_KEY = 0


class BulkLoad:
    """Page views on their way into the store, part by part, each in a write transaction.

    Keys are looked up before, without the store's lock. What was found is used only if nobody else
    has written since. After the first part, `forget` must be called whenever cached keys are
    forgotten; before, the connection that looked keys up tells whether the file has changed.
    """

    def __init__(self, views: PageViews, keys: Keys) -> None:
        self._views = views
        self._left = len(views)
        self._keys = keys
        self._reader: Connection | None = None  # until the first part
        self._version = -1  # of the file, as the reader saw it before it looked keys up
        self._changes = -1  # on the connection that writes, up to the end of the last part
        self._found: list[tuple[KeyCache, LookUp]] = []
        self._new: dict[KeyCache, dict[str, int]] = {}  # hashes of texts without a key

    def forget(self) -> None:
        """Drop what was looked up."""
        self._found, self._new = [], {}

    def prepare(self, reader: Connection) -> Order:
        """Look keys up, and return the rows in the order in which they should be inserted.

        That is user by user, as they are stored, so that each page of the file is met once. Users
        without a key come last, in the order in which they will get one. Within a user, the order
        in which the page views came is good enough. `reader` must stay open until the first part
        is inserted.
        """
        self._reader, self._version = reader, _data_version(reader)
        texts = self._views.user_ids
        users = self._keys.users.look_up(reader, texts)
        pages = self._keys.pages.look_up(reader, self._views.names)
        self._found = [(self._keys.users, users), (self._keys.pages, pages)]
        cached = self._keys.users.cached(texts)
        known = [
            key or users.keys.get(text, _NO_KEY) for text, key in zip(texts, cached, strict=True)
        ]
        keys = np.array(known, np.int64)
        new = np.flatnonzero(keys == _NO_KEY)
        hashes = [users.new.get(texts[number], 0) for number in new.tolist()]
        new = new[np.argsort(np.array(hashes, np.int64))]
        keys[new] = keys.max(initial=0) + 1 + np.arange(len(new))
        return stable_order(keys[self._views.users])

    def insert(self, connection: Connection, rows: Order) -> int:
        """Insert some of the page views; return how many were not there yet."""
        self._left -= len(rows)
        self._use_found_keys(connection)
        views = self._views
        users = self._of(connection, self._keys.users, views.user_ids, views.users[rows])
        if stored := self._stored_by_arrival(connection, users, rows):
            rows, users = np.delete(rows, stored), np.delete(users, stored)
        pages = self._of(connection, self._keys.pages, views.names, views.pages[rows])
        keyed = ManyRows(users, views.instants[rows], pages)
        added = insert_rows_of_page_views(connection, keyed)
        if added:
            record_stale_days(connection, keyed.busy_days())
        return added

    def note_commit(self, connection: Connection) -> None:
        """Note that a part was committed, before the store's lock is released."""
        self._changes = connection.total_changes
        if not self._left:
            self._keys.trim()

    def _use_found_keys(self, connection: Connection) -> None:
        """Cache the keys that were looked up, unless somebody has written since."""
        reader, self._reader = self._reader, None
        if reader is not None:
            is_current = _data_version(reader) == self._version
        else:  # other processes are noticed by the store, which calls `forget`
            is_current = connection.total_changes == self._changes
        if not is_current:
            self.forget()
        for cache, looked_up in self._found:
            cache.adopt(looked_up.keys)
            self._new[cache] = looked_up.new
        self._found = []

    def _of(
        self, connection: Connection, cache: KeyCache, texts: Sequence[str], numbers: Numbers
    ) -> Integers:
        """Return the keys of numbered texts."""
        used = np.flatnonzero(np.bincount(numbers, minlength=len(texts)))
        keys = np.empty(len(texts), np.int64)
        some = [texts[number] for number in used.tolist()]
        keys[used] = cache.keys(connection, some, self._new.get(cache))
        return keys[numbers]

    def _stored_by_arrival(self, connection: Connection, users: Integers, rows: Order) -> list[int]:
        """Return which of the rows are stored already, dated by when their messages arrived."""
        if not has_arrival_keys(connection):
            return []
        dated = users_with_rows(connection, "dated_by_arrival", np.unique(users).tolist())
        views = self._views

        def is_stored(at: int) -> bool:
            instant, name = int(views.instants[rows[at]]), views.names[views.pages[rows[at]]]
            return is_stored_by_arrival(connection, int(users[at]), instant, name)

        doubtful = np.flatnonzero(np.isin(users, [*dated])).tolist() if dated else []
        return [at for at in doubtful if is_stored(at)]


def _data_version(connection: Connection) -> int:
    (version,) = connection.execute("PRAGMA data_version").fetchone()
    return int(version)

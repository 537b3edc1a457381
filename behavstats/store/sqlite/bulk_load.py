"""Bulk load: inserts a large batch of page views part by part, in the order of the file."""

from collections.abc import Sequence

import numpy as np

from behavstats.model.columns import Numbers, PageViews
from behavstats.store.sqlite.arrival_keys import has_arrival_keys, is_stored_by_arrival
from behavstats.store.sqlite.connection import Connection
from behavstats.store.sqlite.insert import insert_rows_of_page_views
from behavstats.store.sqlite.key_cache import KeyCache, Keys
from behavstats.store.sqlite.keyed_rows import users_with_rows
from behavstats.store.sqlite.many_rows import Integers, ManyRows, Order, stable_order
from behavstats.store.sqlite.rollup_refresh import record_stale_days

_NO_KEY = 0


class _Texts:
    """The texts of one column of a batch, by their numbers, and the keys known so far."""

    def __init__(self, cache: KeyCache, texts: Sequence[str]) -> None:
        self._cache, self._texts = cache, texts
        self._looked_up: dict[str, int] = {}
        self._cached: list[int | None] = []
        self.forget()

    def forget(self) -> None:
        """Drop the keys and hashes."""
        self.keys: Integers = np.zeros(len(self._texts), np.int64)
        """The key of each text, 0 if the key is not known."""
        self.hashes: Integers | None = None
        """The hash of each text without a key; None once other writers may have added texts."""
        self._looked_up, self._cached = {}, []

    def look_up(self, reader: Connection) -> None:
        """Look up the keys on a connection that only reads, without the store's lock."""
        # Read once: another thread may write to the cache meanwhile.
        cached = self._cache.cached(self._texts)
        unknown = [number for number, key in enumerate(cached) if key is None]
        texts = [self._texts[number] for number in unknown]
        found, hashes = self._cache.look_up(reader, texts)
        self.keys[:] = [key or _NO_KEY for key in cached]
        if found:
            self.keys[unknown] = [found.get(text, _NO_KEY) for text in texts]
        self.hashes = np.zeros(len(cached), np.int64)
        self.hashes[unknown] = hashes
        self._looked_up, self._cached = found, cached

    def is_cached_as_before(self) -> bool:
        """Return whether the cache has the same keys of these texts as during the look-up.

        It does not if a transaction that gave out keys was rolled back since. Call it within the
        write transaction, when all cached keys hold.
        """
        return self._cache.cached(self._texts) == self._cached

    def adopt(self) -> None:
        """Cache the keys that were looked up, if still valid; within the write transaction."""
        looked_up, self._looked_up, self._cached = self._looked_up, {}, []
        self._cache.adopt(looked_up)

    def keys_of(self, connection: Connection, numbers: Numbers) -> Integers:
        """Return the keys of texts by their numbers; give new keys to texts without a key."""
        used = np.flatnonzero(np.bincount(numbers, minlength=len(self._texts)))
        missing = used[self.keys[used] == _NO_KEY]
        if not len(missing):
            return self.keys[numbers]
        if self.hashes is None:
            self.keys[missing] = self._cache.keys(connection, self._some(missing))
        else:  # by hash, so that each page of the index is visited once
            missing = missing[np.argsort(self.hashes[missing])]
            hashes = self.hashes[missing].tolist()
            first = self._cache.add(connection, self._some(missing), hashes)
            self.keys[missing] = first + np.arange(len(missing))
        return self.keys[numbers]

    def _some(self, numbers: Order) -> list[str]:
        return [self._texts[number] for number in numbers.tolist()]


class BulkLoad:
    """Page views that are inserted part by part, each part in a write transaction.

    `prepare` looks up keys without the store's lock; they are used only if no other connection has
    written since. Before the first part, the connection that looked them up shows whether the file
    has changed. After it, `forget` must be called whenever cached keys are dropped.
    """

    def __init__(self, views: PageViews, keys: Keys) -> None:
        self._views = views
        self._left = len(views)
        self._keys = keys
        self._users = _Texts(keys.users, views.user_ids)
        self._pages = _Texts(keys.pages, views.names)
        self._reader: Connection | None = None  # until the first part
        self._version = -1  # of the file, as the reader saw it before it looked keys up
        self._changes = -1  # on the connection that writes, up to the end of the last part

    def forget(self) -> None:
        """Drop the keys that were looked up."""
        self._users.forget()
        self._pages.forget()

    def prepare(self, reader: Connection) -> Order:
        """Look up keys, and return the rows in the order in which they should be inserted.

        The rows are sorted by user, as in the file, so that each page of the file is visited once.
        Users without a key come last, in the order in which they will get their keys. Within a
        user, the original order of the page views is good enough. `reader` must stay open until the
        first part is inserted.
        """
        self._reader, self._version = reader, _data_version(reader)
        self._pages.look_up(reader)
        self._users.look_up(reader)
        keys, hashes = self._users.keys.copy(), self._users.hashes
        new = np.flatnonzero(keys == _NO_KEY)
        if hashes is not None:
            new = new[np.argsort(hashes[new])]
        keys[new] = keys.max(initial=0) + 1 + np.arange(len(new))
        return stable_order(keys[self._views.users])

    def insert(self, connection: Connection, rows: Order) -> int:
        """Insert some of the page views; return how many of them are new."""
        self._left -= len(rows)
        self._use_found_keys(connection)
        views = self._views
        users = self._users.keys_of(connection, views.users[rows])
        if stored := self._stored_by_arrival(connection, users, rows):
            rows, users = np.delete(rows, stored), np.delete(users, stored)
        pages = self._pages.keys_of(connection, views.pages[rows])
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
        """Cache the keys that were looked up, unless another connection has written since."""
        reader, self._reader = self._reader, None
        if reader is not None:
            is_current = (
                _data_version(reader) == self._version
                and self._users.is_cached_as_before()
                and self._pages.is_cached_as_before()
            )
        else:  # the store notices other processes, and calls `forget`
            is_current = connection.total_changes == self._changes
        if not is_current:
            self.forget()
        self._users.adopt()
        self._pages.adopt()

    def _stored_by_arrival(self, connection: Connection, users: Integers, rows: Order) -> list[int]:
        """Return the positions of the rows that are stored already with another instant."""
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

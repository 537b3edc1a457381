"""The integer keys of user ids and page names, with a cache of the keys that are in use.

A text is found by its keyed hash, and then compared, since two texts may have the same hash. The
cache holds only keys that exist. It never remembers that a text has no key, because another writer
may add the text.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, count
from operator import itemgetter
from struct import unpack
from sys import getsizeof
from typing import NamedTuple

from behavstats.store.sqlite.connection import Connection, json_array
from behavstats.store.sqlite.multi_row_insert import insert_rows

_MAX_BYTES = 16 * 1024 * 1024  # for each kind of text: some 100,000 short ones
_ENTRY = 100  # bytes that a text's key and its place in the dictionary take, roughly
_LOOKED_UP_AT_ONCE = 1_000  # texts; bounds the memory that a statement's rows take

_FEW = 100  # new texts; the order of their keys does not depend on the store's secret

_LAST = "SELECT last_insert_rowid()"


class LookUp(NamedTuple):
    """The keys of those texts that have one, and the hash of each text."""

    keys: dict[str, int]
    hashes: Sequence[int]


class KeyCache:
    """The keys of the texts in one column of one table.

    A cached key is valid until another connection changes the file: a user who was erased by
    another process gets a new key when they come back. So `forget` must be called after such a
    change, and whenever a transaction is rolled back.
    """

    def __init__(self, table: str, column: str) -> None:
        hashes = "SELECT value FROM json_each(?)"
        self._find = f"SELECT {column}, id FROM {table} WHERE hash IN ({hashes})"  # noqa: S608
        self._add = f"INSERT INTO {table} (hash, {column}) VALUES "  # noqa: S608
        self.forget()

    def forget(self) -> None:
        """Drop all keys."""
        self._keys: dict[str, int] = {}
        self._size = 0

    def trim(self) -> None:
        """Drop all keys if they take too much memory."""
        if self._size > _MAX_BYTES:
            self.forget()

    def cached(self, texts: Sequence[str]) -> list[int | None]:
        """Return the cached keys of texts, None for each text that is not cached."""
        return list(map(self._keys.get, texts))

    def look_up(self, connection: Connection, texts: Sequence[str]) -> LookUp:
        """Look up texts in the store; neither read the cache nor cache what is found.

        The connection may be one that only reads, without the store's lock.
        """
        hashes = _hashes(connection, texts)
        return LookUp(self._stored(connection, hashes), hashes)

    def adopt(self, keys: Mapping[str, int]) -> None:
        """Cache keys that were looked up and are still valid, within the write transaction."""
        self._keys.update(keys)
        self._size += sum(map(getsizeof, keys)) + _ENTRY * len(keys)

    def keys(self, connection: Connection, texts: Sequence[str]) -> list[int]:
        """Return the key of each text; give new keys to texts without a key.

        To be called within a write transaction.
        """
        keys = self.cached(texts)
        if None in keys:
            missing = [text for text in dict.fromkeys(texts) if text not in self._keys]
            found, hashes = self.look_up(connection, missing)
            self.adopt(found)
            new = [row for row in zip(hashes, missing, strict=True) if row[1] not in found]
            if new:
                # Many texts by hash, so that each page of the index is visited once; few by text.
                new.sort(key=itemgetter(0 if len(new) > _FEW else 1))
                self.add(connection, [text for _, text in new], [hashed for hashed, _ in new])
            keys = self.cached(texts)
        return keys  # type: ignore[return-value]  # each text has a key now

    def add(self, connection: Connection, texts: Sequence[str], hashes: Sequence[int]) -> int:
        """Give consecutive new keys to distinct texts without a key; return the first key.

        To be called within a write transaction, with the hash of each text.
        """
        rows = chain.from_iterable(zip(hashes, texts, strict=True))
        insert_rows(connection, self._add, 2, [*rows])
        (last,) = connection.execute(_LAST).fetchone()
        first = int(last) - len(texts) + 1
        self.adopt(dict(zip(texts, count(first), strict=False)))
        return first

    def _stored(self, connection: Connection, hashes: Iterable[int]) -> dict[str, int]:
        """Return the keys of the stored texts that have these hashes."""
        keys: dict[str, int] = {}
        ordered = sorted(hashes)
        for start in range(0, len(ordered), _LOOKED_UP_AT_ONCE):
            some = json_array(ordered[start : start + _LOOKED_UP_AT_ONCE])
            keys.update(connection.execute(self._find, (some,)).fetchall())
        return keys


class Keys(NamedTuple):
    """The keys of the users and of the pages of a store."""

    users: KeyCache
    pages: KeyCache

    @classmethod
    def empty(cls) -> "Keys":
        """Return empty caches."""
        return cls(KeyCache("user", "user_id"), KeyCache("page", "name"))

    def forget(self) -> None:
        """Drop all keys."""
        for cache in self:
            cache.forget()

    def trim(self) -> None:
        """Drop the keys of a cache that takes too much memory."""
        for cache in self:
            cache.trim()


def _hashes(connection: Connection, texts: Sequence[str]) -> Sequence[int]:
    return unpack(f"<{len(texts)}q", connection.hasher.hashes(texts)) if texts else ()

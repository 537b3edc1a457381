"""What a store holds, counted: users, page views, the pages that are viewed most, bytes.

A page view is looked at in short reads, in the order of the keys: a read for as long as it takes to
look at all of them would keep the write-ahead log from being emptied, and erasures with it. Page
views that come or go meanwhile may be counted or not; each of the others is counted once.
"""

import sqlite3
from collections.abc import Iterator
from heapq import nsmallest
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from behavstats.model.summary import TOP_PAGES
from behavstats.store.base import Statistics
from behavstats.store.sqlite.connection import json_array
from behavstats.store.sqlite.files import files_of
from behavstats.store.sqlite.rejected_lines import totals

_AT_ONCE = 50_000  # page views in one read: some hundredths of a second
_NAMED_AT_ONCE = 1_000
_COUNTERS = 4_000_000  # pages that are counted at once, in 32 MB; others need another round

_LAST = """
SELECT user, ts, page FROM page_view WHERE (user, ts, page) > (?, ?, ?)
ORDER BY user, ts, page LIMIT 1 OFFSET ?
"""
# As text: to make numbers of it takes half as long as to fetch rows.
_CHUNK = """
SELECT min(ts), max(ts), group_concat(page) FROM (
    SELECT ts, page FROM page_view WHERE (user, ts, page) > (?, ?, ?)
    ORDER BY user, ts, page LIMIT ?
)
"""
_NAMES = "SELECT id, name FROM page WHERE id IN (SELECT value FROM json_each(?))"


_Ranked = tuple[int, str]
"""The views of a page, negative, and its name: the smallest is the first."""


class _Chunk(NamedTuple):
    """Some page views: the oldest and newest instant (ms), and the key of each one's page."""

    oldest: int
    newest: int
    pages: NDArray[np.int64]


def read_statistics(connection: sqlite3.Connection, path: Path) -> Statistics:
    """Count what the store at `path` holds; looks at every page view, in bounded memory."""
    (users,) = connection.execute("SELECT count(user_id) FROM user").fetchone()
    (last_page,) = connection.execute("SELECT coalesce(max(id), 0) FROM page").fetchone()
    views, instants = 0, set[int]()
    top: list[_Ranked] = []
    for first in range(0, last_page + 1, _COUNTERS):
        counts = np.zeros(min(_COUNTERS, last_page + 1 - first), np.int64)
        for chunk in _chunks(connection):
            counted = chunk.pages - first
            np.add.at(counts, counted[(counted >= 0) & (counted < len(counts))], 1)
            if first == 0:
                views += len(chunk.pages)
                instants = {min({chunk.oldest, *instants}), max({chunk.newest, *instants})}
        top = nsmallest(TOP_PAGES, chain(top, _ranked(connection, counts, first)))
    return Statistics(
        users,
        views,
        min(instants, default=None),
        max(instants, default=None),
        [(name, -views) for views, name in top],
        totals(connection).lines,
        sum(file.stat().st_size for file in files_of(path) if file.exists()),
    )


def _chunks(connection: sqlite3.Connection) -> Iterator[_Chunk]:
    """Yield all page views, each chunk out of a read of its own."""
    key: tuple[int, int, int] | None = (-1, -1, -1)
    while key is not None:
        connection.execute("BEGIN")  # both at one moment
        try:
            oldest, newest, pages = connection.execute(_CHUNK, (*key, _AT_ONCE)).fetchone()
            key = connection.execute(_LAST, (*key, _AT_ONCE - 1)).fetchone()
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        if pages is not None:
            yield _Chunk(oldest, newest, np.fromstring(str(pages), np.int64, sep=","))


def _ranked(
    connection: sqlite3.Connection, counts: NDArray[np.int64], first: int
) -> Iterator[_Ranked]:
    """Yield the pages that may be among the most viewed, of those whose keys begin with `first`.

    More than these where many have as many views as the last that counts: their names decide.
    """
    least = max(1, int(np.sort(counts)[-TOP_PAGES:][0]))
    pages = np.flatnonzero(counts >= least)
    for start in range(0, len(pages), _NAMED_AT_ONCE):
        some = (pages[start : start + _NAMED_AT_ONCE] + first).tolist()
        for page, name in connection.execute(_NAMES, (json_array(some),)).fetchall():
            if name is not None:  # else, it was erased meanwhile
                yield -int(counts[page - first]), name

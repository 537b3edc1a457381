"""Counts what a store holds: users, page views, the most viewed pages, bytes.

Page views are read in many short reads, in the order of their keys, because one long read would
keep the write-ahead log from being emptied, and erasures from finishing. Page views that are added
or deleted meanwhile may or may not be counted; every other page view is counted once.
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

_AT_ONCE = 50_000  # page views in one read, which takes some hundredths of a second
_NAMED_AT_ONCE = 1_000
_COUNTERS = 4_000_000  # pages counted in one round, in 32 MB

_LAST = """
SELECT user, ts, page FROM page_view WHERE (user, ts, page) > (?, ?, ?)
ORDER BY user, ts, page LIMIT 1 OFFSET ?
"""
# Parsing numbers from one text takes half as long as fetching rows.
_CHUNK = """
SELECT min(ts), max(ts), group_concat(page) FROM (
    SELECT ts, page FROM page_view WHERE (user, ts, page) > (?, ?, ?)
    ORDER BY user, ts, page LIMIT ?
)
"""
_NAMES = "SELECT id, name FROM page WHERE id IN (SELECT value FROM json_each(?))"


_Ranked = tuple[int, str]
"""The negated number of views of a page, and its name; sorts the most viewed page first."""


class _Chunk(NamedTuple):
    """Some page views: their oldest and newest time (ms), and the key of the page of each."""

    oldest: int
    newest: int
    pages: NDArray[np.int64]


def read_statistics(connection: sqlite3.Connection, path: Path) -> Statistics:
    """Count what the store at `path` holds; reads all page views, in bounded memory."""
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
    """Yield all page views in chunks, with a short read for each."""
    key: tuple[int, int, int] | None = (-1, -1, -1)
    while key is not None:
        connection.execute("BEGIN")  # one snapshot for both statements
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
    """Yield the pages that may be among the most viewed; `counts` begins at the key `first`.

    Pages that are tied with the last one in the list are all yielded, since their names decide.
    """
    least = max(1, int(np.sort(counts)[-TOP_PAGES:][0]))
    pages = np.flatnonzero(counts >= least)
    for start in range(0, len(pages), _NAMED_AT_ONCE):
        some = (pages[start : start + _NAMED_AT_ONCE] + first).tolist()
        for page, name in connection.execute(_NAMES, (json_array(some),)).fetchall():
            if name is not None:  # an erasure may have removed it meanwhile
                yield -int(counts[page - first]), name

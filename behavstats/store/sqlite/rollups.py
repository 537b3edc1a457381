"""Rollups: summaries of the hours and days in which a user has many page views.

A stored rollup is always correct: the transaction that adds page views drops the rollups of their
hours and days, and records the day as stale; `refresh_rollups` computes them again. Where there is
no rollup, the page views are read. Light users have no rollups, and pay neither space nor time.
"""

import sqlite3
from collections.abc import Iterator, Sequence

import numpy as np

from behavstats.model.summary import Summary
from behavstats.model.summary_vectorized import (
    PartialSummary,
    merge_partials,
    pack,
    summarise_columns,
    unpack,
)
from behavstats.model.timestamps import DAY, HOUR

SPANS = (DAY, HOUR)

MANY = 1024
"""An hour or a day with so many page views has a rollup. Fewer are read in half a ms."""

_ROLLUPS = """
SELECT start, first, last, views, time, visits, pages FROM summary
WHERE user = ? AND span = ? AND start >= ? AND start <= ?
ORDER BY start
"""
# One row, because the interpreter's lock is released at each row.
_PAGE_VIEWS = """
SELECT group_concat(ts), group_concat(page) FROM (
    SELECT ts, page FROM page_view WHERE user = ? AND ts >= ? AND ts < ? ORDER BY ts
)
"""
_COUNT = """
SELECT count(*) FROM (SELECT 1 FROM page_view WHERE user = ? AND ts >= ? AND ts < ? LIMIT ?)
"""
_INSERT = """
INSERT OR IGNORE INTO summary (user, span, start, first, last, views, time, visits, pages)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


def partial_summaries(
    connection: sqlite3.Connection, user: int, start: int, end: int, spans: Sequence[int] = SPANS
) -> Iterator[PartialSummary]:
    """Yield partial summaries of a user's page views from `start` to before `end`, in time order.

    They come from rollups of the spans (in ms, the longest first). Hours fill the gaps between
    days, and page views the gaps between hours.
    """
    if start >= end:
        return
    if not spans:
        yield _summarise_page_views(connection, user, start, end)
        return
    span, *shorter = spans
    rollups = connection.execute(_ROLLUPS, (user, span, start, end - span)).fetchall()
    for at, first, last, views, time, visits, pages in rollups:
        yield from partial_summaries(connection, user, start, at, shorter)
        summary = Summary(first, last, views, time, visits, {at // DAY: views})
        yield PartialSummary(summary, unpack(pages, at))
        start = at + span
    yield from partial_summaries(connection, user, start, end, shorter)


def _summarise_page_views(
    connection: sqlite3.Connection, user: int, start: int, end: int
) -> PartialSummary:
    instants, pages = connection.execute(_PAGE_VIEWS, (user, start, end)).fetchone()
    return summarise_columns(_numbers(instants), _numbers(pages))


def _numbers(text: str | None) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    try:
        return np.fromstring(text or "", np.int64, sep=",")
    except ValueError as error:
        raise sqlite3.DataError("page views hold something other than numbers") from error


def refresh_day(connection: sqlite3.Connection, user: int, day: int) -> None:
    """Compute the missing rollups of a user's day (by its first ms) and its hours."""
    (views,) = connection.execute(_COUNT, (user, day, day + DAY, MANY)).fetchone()
    if views < MANY:
        return
    hours = []
    for hour in range(day, day + DAY, HOUR):
        (partial,) = partial_summaries(connection, user, hour, hour + HOUR, [HOUR])
        _store(connection, user, HOUR, hour, partial)
        hours.append(partial)
    _store(connection, user, DAY, day, merge_partials(hours))


def _store(
    connection: sqlite3.Connection, user: int, span: int, start: int, partial: PartialSummary
) -> None:
    summary = partial.summary
    if summary.views >= MANY:
        values = (summary.first, summary.last, summary.views, summary.time, summary.visits)
        packed = pack(partial.tallies, start)
        connection.execute(_INSERT, (user, span, start, *values, packed))

"""Runs of very many page views, summarised in columns: the algebra of `profile`, for a million.

A run is a summary whose pages stand apart, in a table of tallies by the pages' keys: those are what
takes long to merge one by one. All else is left to `profile`.
"""

from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from behavstats.model.summary import TOP_PAGES, VISIT_GAP, Summary, merge
from behavstats.model.timestamps import DAY

Integers = NDArray[np.int64]


class Tallies(NamedTuple):
    """Of pages by their keys: how often they were viewed, and when last (ms since the epoch)."""

    pages: Integers
    views: Integers
    last: Integers

    def at(self, where: NDArray[np.intp] | NDArray[np.bool_]) -> "Tallies":
        """Return some of them."""
        return Tallies(self.pages[where], self.views[where], self.last[where])


class PartialSummary(NamedTuple):
    """Consecutive page views of one user: a summary without pages, and these, each once."""

    summary: Summary
    tallies: Tallies


def summarise_columns(instants: Integers, pages: Integers) -> PartialSummary:
    """Return the run of page views that come in order of time, with their pages' keys."""
    tallies = _merged(Tallies(pages, np.ones_like(pages), instants))
    if not len(instants):
        return PartialSummary(Summary(), tallies)
    gaps = np.diff(instants)
    within_visits = gaps[gaps <= VISIT_GAP]
    dates, views = np.unique(instants // DAY, return_counts=True)
    summary = Summary(
        first=int(instants[0]),
        last=int(instants[-1]),
        views=len(instants),
        time=int(within_visits.sum()),
        visits=len(instants) - len(within_visits),
        dates=dict(zip(dates.tolist(), views.tolist(), strict=True)),
    )
    return PartialSummary(summary, tallies)


def merge_partials(runs: Sequence[PartialSummary]) -> PartialSummary:
    """Return the run of adjacent runs, of at least one, in order of time."""
    columns = zip(*(run.tallies for run in runs), strict=True)
    tallies = _merged(Tallies(*map(np.concatenate, columns)))
    return PartialSummary(reduce(merge, [run.summary for run in runs]), tallies)


def top_candidates(tallies: Tallies) -> Tallies:
    """Return the tallies that can be among the ten most viewed, whatever their pages' names."""
    if len(tallies.pages) <= TOP_PAGES:
        return tallies
    tenth = np.lexsort((-tallies.last, -tallies.views))[TOP_PAGES - 1]
    views, last = tallies.views[tenth], tallies.last[tenth]
    level = (tallies.views == views) & (tallies.last >= last)
    return tallies.at((tallies.views > views) | level)


def pack(tallies: Tallies, start: int) -> bytes:
    """Return tallies of a span that begins at `start` (ms, less than 49 days before) as bytes.

    Sixteen for each page: keys, views and last instants, these from the start, one column after
    the other.
    """
    views, last = tallies.views.astype("<u4"), (tallies.last - start).astype("<u4")
    return tallies.pages.astype("<i8").tobytes() + views.tobytes() + last.tobytes()


def unpack(packed: bytes, start: int) -> Tallies:
    """Return the tallies that `pack` made bytes of."""
    count = len(packed) // 16
    pages = np.frombuffer(packed, "<i8", count)
    views = np.frombuffer(packed, "<u4", count, offset=8 * count)
    last = np.frombuffer(packed, "<u4", count, offset=12 * count)
    return Tallies(pages.astype(np.int64), views.astype(np.int64), last.astype(np.int64) + start)


def _merged(tallies: Tallies) -> Tallies:
    """Make one tally of all those of a page; in the order of the pages' keys."""
    tallies = tallies.at(np.argsort(tallies.pages))
    starts = np.flatnonzero(np.diff(tallies.pages, prepend=-1))
    if not len(starts):
        return tallies
    views, last = np.add.reduceat(tallies.views, starts), np.maximum.reduceat(tallies.last, starts)
    return Tallies(tallies.pages[starts], views, last)

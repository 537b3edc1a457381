"""The summary algebra in columns, for runs of up to millions of page views.

A partial summary keeps its pages in a table of tallies by page key, because merging pages one by
one is slow. Everything else uses the algebra of `summary`.
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
    """The views and the last instant (ms since the epoch) of pages, by page key, in columns."""

    pages: Integers
    views: Integers
    last: Integers

    def at(self, where: NDArray[np.intp] | NDArray[np.bool_]) -> "Tallies":
        """Return the tallies at some positions."""
        return Tallies(self.pages[where], self.views[where], self.last[where])


class PartialSummary(NamedTuple):
    """A summary of consecutive page views of one user, without pages, and a tally for each page."""

    summary: Summary
    tallies: Tallies


def summarise_columns(instants: Integers, pages: Integers) -> PartialSummary:
    """Summarise page views in order of time, given their instants (ms) and page keys."""
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


def merge_partials(partials: Sequence[PartialSummary]) -> PartialSummary:
    """Merge the partial summaries of adjacent runs, at least one, in order of time."""
    columns = zip(*(partial.tallies for partial in partials), strict=True)
    tallies = _merged(Tallies(*map(np.concatenate, columns)))
    return PartialSummary(reduce(merge, [partial.summary for partial in partials]), tallies)


def top_candidates(tallies: Tallies) -> Tallies:
    """Return the tallies that may be among the ten most viewed pages, whatever their names."""
    if len(tallies.pages) <= TOP_PAGES:
        return tallies
    tenth = np.lexsort((-tallies.last, -tallies.views))[TOP_PAGES - 1]
    views, last = tallies.views[tenth], tallies.last[tenth]
    level = (tallies.views == views) & (tallies.last >= last)
    return tallies.at((tallies.views > views) | level)


def pack(tallies: Tallies, start: int) -> bytes:
    """Return tallies as bytes, 16 for each page; no instant may be over 49 days after `start`.

    One column follows the other: page keys (8 bytes each), views (4), and last instants in ms since
    `start` (4), all little-endian.
    """
    views, last = tallies.views.astype("<u4"), (tallies.last - start).astype("<u4")
    return tallies.pages.astype("<i8").tobytes() + views.tobytes() + last.tobytes()


def unpack(packed: bytes, start: int) -> Tallies:
    """Return the tallies from the bytes of `pack`."""
    count = len(packed) // 16
    pages = np.frombuffer(packed, "<i8", count)
    views = np.frombuffer(packed, "<u4", count, offset=8 * count)
    last = np.frombuffer(packed, "<u4", count, offset=12 * count)
    return Tallies(pages.astype(np.int64), views.astype(np.int64), last.astype(np.int64) + start)


def _merged(tallies: Tallies) -> Tallies:
    """Merge the tallies of each page to one; sorted by page key."""
    tallies = tallies.at(np.argsort(tallies.pages))
    starts = np.flatnonzero(np.diff(tallies.pages, prepend=-1))
    if not len(starts):
        return tallies
    views, last = np.add.reduceat(tallies.views, starts), np.maximum.reduceat(tallies.last, starts)
    return Tallies(tallies.pages[starts], views, last)

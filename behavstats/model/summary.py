"""The summary algebra: summarise page views, merge summaries, rank pages.

A *summary* of a run of consecutive page views of one user holds everything a profile needs.
Summaries of adjacent runs merge, `Summary()` is the identity, and merging is associative. So one
definition serves a single view, a pre-aggregated hour, a late view and a whole window.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from heapq import nsmallest
from operator import attrgetter, sub

import msgspec

from behavstats.model.timestamps import DAY, MINUTE

VISIT_GAP = 30 * MINUTE
"""The longest gap between two consecutive views of one visit, in ms."""

TOP_PAGES = 10
"""The maximum number of pages that `top_pages` returns."""


class PageTally(msgspec.Struct, frozen=True, gc=False):
    """How often a page was viewed, and when it was viewed last (ms since the epoch)."""

    views: int
    last: int


class Summary(msgspec.Struct, frozen=True):
    """The summary of a run of consecutive page views of one user; by default, of no view.

    `first` and `last` are instants and `time` is the counted time on site, all in ms; `visits`
    counts maximal runs with gaps of at most `VISIT_GAP`; `dates` maps a UTC date (days since the
    epoch) to the number of its views; `pages` maps a name to its tally.
    """

    first: int | None = None
    last: int | None = None
    views: int = 0
    time: int = 0
    visits: int = 0
    dates: Mapping[int, int] = {}
    pages: Mapping[str, PageTally] = {}


def summarise(instants: Sequence[int], names: Sequence[str]) -> Summary:
    """Return the summary of views in order of time, given their instants (ms) and page names.

    Equals the fold of `merge` over summaries of one view each, but takes only a few passes.
    """
    if not instants:
        return Summary()
    gaps = map(sub, instants[1:], instants)
    within_visits = [gap for gap in gaps if gap <= VISIT_GAP]
    views = Counter(names)
    last = dict(zip(names, instants, strict=True))  # in the order of `views`; the latest stays
    return Summary(
        first=instants[0],
        last=instants[-1],
        views=len(instants),
        time=sum(within_visits),
        visits=len(instants) - len(within_visits),
        dates=Counter([instant // DAY for instant in instants]),
        pages=dict(zip(views, map(PageTally, views.values(), last.values()), strict=True)),
    )


def merge(earlier: Summary, later: Summary) -> Summary:
    """Return the summary of two adjacent runs joined; `earlier` ends before `later` begins.

    Raises ValueError if the runs overlap in time, since the gap between them is not known then.
    """
    if earlier.last is None or later.first is None:
        return later if earlier.last is None else earlier
    gap = later.first - earlier.last
    if gap < 0:
        raise ValueError("summaries of overlapping runs do not merge")
    same_visit = gap <= VISIT_GAP
    dates = dict(earlier.dates)
    for date, views in later.dates.items():
        dates[date] = dates.get(date, 0) + views
    pages = dict(earlier.pages)
    for name, tally in later.pages.items():
        before = pages.get(name)
        pages[name] = tally if before is None else PageTally(before.views + tally.views, tally.last)
    return Summary(
        first=earlier.first,
        last=later.last,
        views=earlier.views + later.views,
        time=earlier.time + later.time + (gap if same_visit else 0),
        visits=earlier.visits + later.visits - (1 if same_visit else 0),
        dates=dates,
        pages=pages,
    )


def _rank(page: tuple[str, PageTally]) -> tuple[int, int, str]:
    """Order pages by most views, then by latest view, then by smaller name."""
    name, tally = page
    return -tally.views, -tally.last, name


def most_viewed(pages: Mapping[str, PageTally]) -> str | None:
    """Return the name of the most viewed page (the first of `top_pages`), or None without views."""
    if not pages:
        return None
    most = max(map(attrgetter("views"), pages.values()))
    name, _ = min((page for page in pages.items() if page[1].views == most), key=_rank)
    return name


def top_pages(summary: Summary) -> list[tuple[str, PageTally]]:
    """Return the ten most viewed pages; the first is the most viewed page of the profile."""
    return nsmallest(TOP_PAGES, summary.pages.items(), key=_rank)

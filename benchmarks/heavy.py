"""Generate users with a given number of page views in the window, as lines of JSON.

They come in visits, through the same pages with the same popularity as those of generate.py. Each
has views on both sides of the window, too, so that its edges cut through a busy time.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from random import Random
from typing import NamedTuple

from generate import DAY_MS, GAP_MS, VISIT_LENGTH, draw, page_names, pick, popularity

from behavstats.model.timestamps import format_instant

PAGES = 5_000
WINDOW_MS = 7 * DAY_MS
_MARGIN_MS = DAY_MS // 2  # on either side of the window


class Weight(NamedTuple):
    """How many page views of a user lie in the window, and how many such users there are."""

    views: int
    users: int

    @property
    def outside(self) -> int:
        """How many page views lie on each side of the window."""
        return max(1, self.views * _MARGIN_MS // WINDOW_MS)

    @property
    def lines(self) -> int:
        """How many page views all these users have."""
        return self.users * (self.views + 2 * self.outside)

    @property
    def user_ids(self) -> list[str]:
        """The users' ids, of 10 characters as the others' are."""
        return [f"w{self.views:07}{number:02}" for number in range(self.users)]


def lines(weights: Sequence[Weight], as_of: int, seed: int) -> Iterator[str]:
    """Yield the page views of all users of these weights, in order of time.

    The window is that of the 7 days up to `as_of`, in ms since the epoch.
    """
    rng, names, totals = Random(seed), page_names(PAGES), popularity(PAGES, 3)
    views: list[tuple[int, str, int]] = []
    for weight in weights:
        for user_id in weight.user_ids:
            views += (
                (instant, user_id, page) for instant, page in _views(rng, totals, weight, as_of)
            )
    for instant, user_id, page in sorted(views):
        time = format_instant(instant)
        yield f'{{"user_id": "{user_id}", "name": "{names[page]}", "timestamp": "{time}"}}\n'


def _views(
    rng: Random, totals: list[float], weight: Weight, as_of: int
) -> Iterator[tuple[int, int]]:
    """Yield distinct page views of one user: exactly so many within the window, some outside."""
    start = as_of - WINDOW_MS
    yield from _visits(rng, totals, weight.outside, (start - _MARGIN_MS, start))
    yield from _visits(rng, totals, weight.views, (start, as_of))
    yield from _visits(rng, totals, weight.outside, (as_of, as_of + _MARGIN_MS))


def _visits(
    rng: Random, totals: list[float], views: int, interval: tuple[int, int]
) -> set[tuple[int, int]]:
    """Return so many distinct page views within a half-open interval (after, until]."""
    after, until = interval
    found: set[tuple[int, int]] = set()
    while len(found) < views:
        gaps = (draw(rng, *GAP_MS) for _ in range(draw(rng, *VISIT_LENGTH) - 1))
        begin = after + 1 + int(rng.random() * (until - after))
        for instant in accumulate(gaps, initial=begin):
            if instant <= until and len(found) < views:
                found.add((instant, pick(rng, totals)))
    return found

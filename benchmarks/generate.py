"""Generate page views for benchmarks, one JSON object a line, fully determined by a seed.

The default is "the synthetic million": 1,000,000 distinct page views of 50,000 users. Users come
in visits, a few users and pages get most of the views, and a few per cent of the views are late.

The same arguments give the same bytes on every platform and Python version: all chance comes from
``Random.random()``, combined by plain arithmetic only (no ``pow``, ``log`` or order of hashes).
"""

import argparse
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import accumulate
from random import Random

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
VISIT_LENGTH = (1, 25)  # page views, as in range()
GAP_MS = (2_000, 600_000)  # between two page views of a visit
LATE_SHARE, DELAY_MS = 0.03, (5_000, 2 * HOUR_MS)  # of late page views
ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
FRONT_PAGES = ("/", "/products", "/pricing", "/cart", "/checkout", "/magazine", "/help")
SECTIONS = ("products", "products/machines", "products/mills", "magazine/coffee", "help/questions")

PageView = tuple[int, int, int]  # milliseconds since the start, number of the user, of the page


def user_ids(rng: Random, users: int) -> list[str]:
    """Return that many distinct user ids of 10 characters."""
    ids: dict[str, None] = {}
    while len(ids) < users:
        ids["".join(ALPHABET[int(rng.random() * 36)] for _ in range(10))] = None
    return list(ids)


def page_names(pages: int) -> list[str]:
    """Return that many distinct page names, the most popular first."""
    numbered = (f"/{SECTIONS[i % len(SECTIONS)]}/{10_000 + i}" for i in range(pages))
    return [*FRONT_PAGES, *numbered][:pages]


def popularity(count: int, evenness: int) -> list[float]:
    """Return running totals of Zipf-like weights; a low evenness favours the first items more."""
    return list(accumulate(1 / (evenness + i) for i in range(count)))


def pick(rng: Random, totals: list[float]) -> int:
    """Pick an item by its weight."""
    return bisect_left(totals, rng.random() * totals[-1])


def draw(rng: Random, low: int, high: int) -> int:
    """Draw a number of range(low, high), where low ones are much likelier."""
    r = rng.random()
    return low + int((high - low) * r * r * r)


def plan_visits(rng: Random, views: int, users: int) -> Iterator[tuple[int, int]]:
    """Yield user and number of page views of each visit: one for each user, then by activity."""
    activity = popularity(users, 50)
    still_absent = users
    while views:
        user = users - still_absent if still_absent else pick(rng, activity)
        still_absent = max(still_absent - 1, 0)
        length = min(draw(rng, *VISIT_LENGTH), views - still_absent)
        views -= length
        yield user, length


def plan_views(rng: Random, views: int, users: int, pages: int, days: int) -> Iterator[PageView]:
    """Yield the page views visit by visit, the visits in no order of time."""
    page_popularity = popularity(pages, 3)
    for user, length in plan_visits(rng, views, users):
        gaps = (draw(rng, *GAP_MS) for _ in range(length - 1))
        moments = list(accumulate(gaps, initial=0))
        time_of_day = (rng.random() + rng.random()) / 2  # busiest in the middle of the day
        start = int((int(rng.random() * days) + time_of_day) * DAY_MS)
        start = min(start, days * DAY_MS - 1000 - moments[-1])  # the visit ends in time
        for moment in moments:
            yield start + moment, user, pick(rng, page_popularity)


def in_order(views: Iterable[PageView], users: int, pages: int, days: int) -> Iterator[PageView]:
    """Sort the page views hour by hour, packed into numbers, and make them distinct."""
    hours = [array("Q") for _ in range(days * 24)]
    for moment, user, page in views:
        hours[moment // HOUR_MS].append((moment % HOUR_MS * users + user) * pages + page)
    previous = -1
    for hour, packed in enumerate(hours):
        base = hour * HOUR_MS * users * pages
        for number in sorted(packed):
            previous = max(base + number, previous + 1)  # a repetition gets the next page
            rest, page = divmod(previous, pages)
            yield *divmod(rest, users), page


def as_delivered(rng: Random, ordered: Iterable[PageView]) -> Iterator[PageView]:
    """Hold some page views back, so that they come late, after younger ones."""
    late: list[tuple[int, PageView]] = []
    for view in ordered:
        while late and late[0][0] <= view[0]:
            yield heappop(late)[1]
        if rng.random() < LATE_SHARE:
            heappush(late, (view[0] + draw(rng, *DELAY_MS), view))
        else:
            yield view
    while late:
        yield heappop(late)[1]


def generate(  # noqa: PLR0913, PLR0917
    views: int, users: int, pages: int, days: int, until: datetime, seed: int
) -> Iterator[str]:
    """Yield the page views as lines of JSON; all are from the given days before until."""
    rng = Random(seed)
    ids, names = user_ids(rng, users), page_names(pages)
    since = until.astimezone(UTC).replace(tzinfo=None) - timedelta(days=days)
    planned = plan_views(rng, views, users, pages, days)
    for moment, user, page in as_delivered(rng, in_order(planned, users, pages, days)):
        time = (since + timedelta(milliseconds=moment)).isoformat(timespec="milliseconds")
        yield f'{{"user_id": "{ids[user]}", "name": "{names[page]}", "timestamp": "{time}Z"}}\n'


def main() -> None:
    """Write the page views that the command line asks for."""
    parser = argparse.ArgumentParser(description="Generate page views as lines of JSON.")
    until, shown = "2026-11-15T00:00:00Z", "default: %(default)s"
    for name, default in (("views", 1_000_000), ("users", 50_000), ("pages", 5_000), ("days", 14)):
        parser.add_argument(f"--{name}", type=int, default=default, help=shown)
    parser.add_argument("--until", type=datetime.fromisoformat, default=until, help=shown)
    parser.add_argument("--seed", type=int, default=1, help=shown)
    parser.add_argument("--output", default="-", metavar="FILE", help="default: standard output")
    args = parser.parse_args()
    if min(args.users, args.pages, args.days) < 1 or args.views < args.users:
        parser.error("users, pages and days must be at least 1, and views at least users")
    if args.until.tzinfo is None:
        parser.error("until needs an offset, such as Z")
    lines = generate(args.views, args.users, args.pages, args.days, args.until, args.seed)
    target = sys.stdout.fileno() if args.output == "-" else args.output
    with suppress(BrokenPipeError), open(target, "wb", closefd=args.output != "-") as file:
        file.writelines(line.encode() for line in lines)


if __name__ == "__main__":
    main()

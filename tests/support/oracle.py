"""A brute-force oracle: the definitions of a user's profile, spelled out one by one.

It shares no code with the package under test, on purpose: it imports nothing from it, keeps no
summaries and merges nothing. It goes through all the page views each time, in the plainest way,
so that an answer can be checked against the written definitions by reading.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

View = tuple[str, int, str]
"""One page view: user_id, instant in whole milliseconds since the epoch (UTC), page name."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ONE_MILLISECOND = timedelta(milliseconds=1)
MS_PER_MINUTE = 60 * 1000
MS_PER_DAY = 24 * 60 * MS_PER_MINUTE
LONGEST_GAP_MS = 30 * MS_PER_MINUTE


def _number(digits: str, length: int, top: int) -> int:
    """Read exactly `length` ASCII digits as a number from 0 to `top`."""
    if len(digits) != length or not digits.isascii() or not digits.isdigit():
        message = f"not {length} digits: {digits!r}"
        raise ValueError(message)
    value = int(digits)
    if value > top:
        message = f"out of range: {digits!r}"
        raise ValueError(message)
    return value


def _offset_minutes(text: str) -> int:
    """Read the offset at the end of a timestamp: Z, z, +hh:mm or -hh:mm."""
    if text in ("Z", "z"):
        return 0
    if len(text) != 6 or text[0] not in "+-" or text[3] != ":":
        message = f"not an offset: {text!r}"
        raise ValueError(message)
    minutes = _number(text[1:3], 2, 23) * 60 + _number(text[4:6], 2, 59)
    return minutes if text[0] == "+" else -minutes


def _milliseconds(fraction: str) -> int:
    """Read the fraction of a second (empty, or a point and digits), cut off to milliseconds."""
    if fraction == "":
        return 0
    digits = fraction[1:]
    if fraction[0] != "." or not digits.isascii() or not digits.isdigit():
        message = f"not a fraction of a second: {fraction!r}"
        raise ValueError(message)
    return int((digits + "000")[:3])


def instant(text: str) -> int:
    """Turn an RFC 3339 timestamp into whole milliseconds since the epoch, finer digits cut off.

    Raises ValueError for anything else, for a timestamp without an offset, for an instant before
    1970, and for a leap second (60), which has no place in milliseconds since the epoch.
    """
    # 0123456789012345678
    # yyyy-mm-ddThh:mm:ss and then the fraction, if any, and the offset
    offset_length = 1 if text[-1:] in ("Z", "z") else 6
    if len(text) < 19 + offset_length:
        message = f"too short for a timestamp with an offset: {text!r}"
        raise ValueError(message)
    separators = text[4] + text[7] + text[10] + text[13] + text[16]
    if separators not in ("--T::", "--t::"):
        message = f"not a timestamp: {text!r}"
        raise ValueError(message)
    # The clock on the wall, read as if it were UTC; the offset is taken off afterwards.
    # datetime refuses a day that does not exist.
    wall = datetime(
        year=_number(text[0:4], 4, 9999),
        month=_number(text[5:7], 2, 12),
        day=_number(text[8:10], 2, 31),
        hour=_number(text[11:13], 2, 23),
        minute=_number(text[14:16], 2, 59),
        second=_number(text[17:19], 2, 59),
        tzinfo=UTC,
    )
    offset_start = len(text) - offset_length
    result = (
        (wall - EPOCH) // ONE_MILLISECOND
        + _milliseconds(text[19:offset_start])
        - _offset_minutes(text[offset_start:]) * MS_PER_MINUTE
    )
    if result < 0:
        message = f"before 1970: {text!r}"
        raise ValueError(message)
    return result


def _utc_date(at: int) -> date:
    """Tell the UTC date that holds an instant."""
    return (EPOCH + at * ONE_MILLISECOND).date()


def _views_of(views: Iterable[View], user_id: str) -> list[tuple[int, str]]:
    """List the (instant, name) of all views of one user, earliest first, repeats counted once."""
    return sorted({(at, name) for user, at, name in views if user == user_id})


def _inside(views: list[tuple[int, str]], as_of: int, days: int) -> list[tuple[int, str]]:
    """Keep the views inside the window: its start is outside, its end is inside."""
    start = as_of - days * MS_PER_DAY
    return [(at, name) for at, name in views if start < at <= as_of]


def _gaps(views: list[tuple[int, str]]) -> list[int]:
    """List the gaps between consecutive views, in milliseconds; the views are in order."""
    return [views[i][0] - views[i - 1][0] for i in range(1, len(views))]


def _milliseconds_on_site(views: list[tuple[int, str]]) -> int:
    """Add up the gaps of at most 30 minutes."""
    return sum(gap for gap in _gaps(views) if gap <= LONGEST_GAP_MS)


def _visits(views: list[tuple[int, str]]) -> int:
    """Count the visits: the first view starts one, and so does a view after a longer gap."""
    if not views:
        return 0
    return 1 + len([gap for gap in _gaps(views) if gap > LONGEST_GAP_MS])


def _whole_minutes(milliseconds: int) -> int:
    """Round to whole minutes, half up."""
    minutes, rest = divmod(milliseconds, MS_PER_MINUTE)
    if 2 * rest >= MS_PER_MINUTE:
        return minutes + 1
    return minutes


def _ranking(views: list[tuple[int, str]]) -> list[tuple[str, int, int]]:
    """Rank all names as (name, views, last instant): most views, viewed last, smaller name."""
    count = Counter(name for _, name in views)
    # The views are in order of time, so for each name the last one to be written stays.
    last = {name: at for at, name in views}
    pages = [(name, count[name], last[name]) for name in count]
    return sorted(pages, key=lambda page: (-page[1], -page[2], page[0]))


def profile(
    views: Iterable[View], user_id: str, as_of: int, days: int = 7
) -> dict[str, object] | None:
    """Work out the profile of a user at an instant; None if the user has no view at all."""
    known = _views_of(views, user_id)
    if not known:
        return None
    window = _inside(known, as_of, days)
    dates = {_utc_date(at) for at, _ in window}
    ranking = _ranking(window)
    return {
        "user_id": user_id,
        f"number_pages_viewed_in_the_last_{days}_days": len(window),
        f"time_spent_on_site_in_last_{days}_days": _whole_minutes(_milliseconds_on_site(window)),
        f"number_of_days_active_in_last_{days}_days": min(len(dates), days),
        f"most_viewed_page_in_last_{days}_days": ranking[0][0] if ranking else None,
    }


def detail(
    views: Iterable[View], user_id: str, as_of: int, days: int = 7
) -> dict[str, object] | None:
    """Work out what stands behind a profile; None if the user has no view at all.

    The dates are those that hold a view in the window, earliest first, and can be `days` + 1.
    """
    known = _views_of(views, user_id)
    if not known:
        return None
    window = _inside(known, as_of, days)
    return {
        "window": (as_of - days * MS_PER_DAY, as_of),
        "milliseconds_on_site": _milliseconds_on_site(window),
        "visits": _visits(window),
        "days": dict(Counter(_utc_date(at).isoformat() for at, _ in window)),
        "top_pages": _ranking(window),
        "first_view": window[0][0] if window else None,
        "last_view": window[-1][0] if window else None,
    }

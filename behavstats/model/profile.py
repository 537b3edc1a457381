"""The profile: what a user did in a window, read out of a summary."""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, NamedTuple, TypedDict

import msgspec
from msgspec import Meta

from behavstats.errors import InvalidInput
from behavstats.model.summary import Summary, most_viewed, top_pages
from behavstats.model.timestamps import DAY, MINUTE, SECOND, format_date, format_instant

MAX_DAYS = 90


class Window(NamedTuple):
    """The half-open interval (as_of - days * 24 h, as_of]; `as_of` in ms since the epoch."""

    as_of: int
    days: int = 7

    @property
    def start(self) -> int:
        """The instant in ms just before the window: a view at it is outside."""
        return self.as_of - self.days * DAY

    @property
    def dates(self) -> range:
        """The UTC dates that the window touches, as days since the epoch.

        One more than `days`, or just `days` if it ends with the last millisecond of a date.
        """
        return range((self.start + 1) // DAY, self.as_of // DAY + 1)


def window(as_of: int, days: int = 7) -> Window:
    """Return the window that ends at `as_of` (ms); InvalidInput unless `days` is 1 to 90."""
    if not 1 <= days <= MAX_DAYS:
        raise InvalidInput("invalid_days", f"days must be 1 to {MAX_DAYS}, not {days}", "days")
    return Window(as_of, days)


def _said(words: str) -> Meta:
    """Return what a schema says of a field: what it is, and in which unit."""
    return Meta(description=words)


class Bounds(TypedDict):
    """A window's ends: views after the one, until the other, are inside."""

    after: Annotated[str, _said("Its beginning, which is outside (RFC 3339, UTC, milliseconds).")]
    until: Annotated[str, _said("Its end, which is inside (RFC 3339, UTC, milliseconds).")]


class DayViews(TypedDict):
    """The views of a UTC date."""

    date: Annotated[str, _said("The UTC date, such as 2026-11-15.")]
    views: Annotated[int, _said("Page views in the window on this date.")]


class TopPage(TypedDict):
    """One of the most viewed pages."""

    name: Annotated[str, _said("The page's name.")]
    views: Annotated[int, _said("Page views of this page in the window.")]
    last_viewed: Annotated[str, _said("When it was viewed last (RFC 3339, UTC, milliseconds).")]


class Details(TypedDict, total=False):
    """What lies beneath a profile; instants are RFC 3339, in UTC."""

    window: Annotated[Bounds, _said("The window's two ends.")]
    seconds_on_site: Annotated[float, _said("Time on site in seconds, exact to the millisecond.")]
    visits: Annotated[int, _said("Visits: runs of page views with gaps of at most 30 minutes.")]
    days: Annotated[list[DayViews], _said("Each UTC date that the window touches, and its views.")]
    top_pages: Annotated[
        list[TopPage], _said("The ten most viewed pages, the first of them first.")
    ]
    first_view: Annotated[
        str | None, _said("The first page view in the window (RFC 3339, UTC), or null.")
    ]
    last_view: Annotated[
        str | None, _said("The last page view in the window (RFC 3339, UTC), or null.")
    ]


Profile = dict[str, Any]
"""A profile, as it is shown: `FIELDS`, with the number of days in their names, and `Details`."""

FIELDS: Mapping[str, Any] = {
    "user_id": Annotated[str, _said("The user's id.")],
    "number_pages_viewed_in_the_last_{days}_days": Annotated[
        int, _said("Page views in the window; a page that was viewed twice counts twice.")
    ],
    "time_spent_on_site_in_last_{days}_days": Annotated[
        int,
        _said("Minutes on the site, rounded half up: the sum of gaps of at most 30 minutes."),
    ],
    "number_of_days_active_in_last_{days}_days": Annotated[
        int, _said("Days: UTC dates with a page view in the window, at most its length.")
    ],
    "most_viewed_page_in_last_{days}_days": Annotated[
        str | None, _said("The name of the page viewed most often; null where there is none.")
    ],
}
"""The keys of a profile, in order, and the types of their values."""


@cache
def _keys(days: int) -> list[str]:
    return [key.format(days=days) for key in FIELDS]


def profile(user_id: str, summary: Summary, days: int = 7) -> Profile:
    """Read the profile out of the summary of a window of `days` days: five keys, in order."""
    values = (
        user_id,
        summary.views,
        _whole_minutes(summary.time),
        # A rolling window can touch days + 1 dates; its two partial ends make one day together.
        min(len(summary.dates), days),
        most_viewed(summary.pages),
    )
    return dict(zip(_keys(days), values, strict=True))


def detailed_profile(user_id: str, summary: Summary, window: Window) -> Profile:
    """Read out the profile and, behind its five keys, what lies beneath it.

    `seconds_on_site` is exact to the millisecond; `days` has every UTC date that the window
    touches; first and last view are those in the window, or null.
    """
    details: Details = {
        "window": {"after": format_instant(window.start), "until": format_instant(window.as_of)},
        "seconds_on_site": summary.time / SECOND,
        "visits": summary.visits,
        "days": [
            {"date": format_date(date), "views": summary.dates.get(date, 0)}
            for date in window.dates
        ],
        "top_pages": [
            {"name": name, "views": tally.views, "last_viewed": format_instant(tally.last)}
            for name, tally in top_pages(summary)
        ],
        "first_view": None if summary.first is None else format_instant(summary.first),
        "last_view": None if summary.last is None else format_instant(summary.last),
    }
    return {**profile(user_id, summary, window.days), **details}


def encode(profile: Mapping[str, object]) -> bytes:
    """Return a profile as JSON, the same from every interface."""
    return msgspec.json.encode(profile)


def _whole_minutes(milliseconds: int) -> int:
    return (milliseconds + MINUTE // 2) // MINUTE

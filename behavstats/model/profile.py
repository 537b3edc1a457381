"""The profile: figures about a user's behaviour in a time window, computed from a summary."""

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
        """The start of the window in ms; a view at this instant is outside."""
        return self.as_of - self.days * DAY

    @property
    def dates(self) -> range:
        """The UTC dates that the window touches, as days since the epoch.

        These are `days` + 1 dates, or `days` if the window ends with the last ms of a date.
        """
        return range((self.start + 1) // DAY, self.as_of // DAY + 1)


def window(as_of: int, days: int = 7) -> Window:
    """Return the window that ends at `as_of` (ms); raises InvalidInput unless `days` is 1 to 90."""
    if not 1 <= days <= MAX_DAYS:
        raise InvalidInput("invalid_days", f"days must be 1 to {MAX_DAYS}, not {days}", "days")
    return Window(as_of, days)


def _doc(description: str) -> Meta:
    """Return the description of a field for a JSON schema."""
    return Meta(description=description)


class Bounds(TypedDict):
    """The ends of a window: it contains the views after `after`, up to and including `until`."""

    after: Annotated[str, _doc("The start, which is outside (RFC 3339, UTC, milliseconds).")]
    until: Annotated[str, _doc("The end, which is inside (RFC 3339, UTC, milliseconds).")]


class DayViews(TypedDict):
    """The page views of a UTC date."""

    date: Annotated[str, _doc("The UTC date, such as 2026-11-15.")]
    views: Annotated[int, _doc("Page views in the window on this date.")]


class TopPage(TypedDict):
    """One of the most viewed pages."""

    name: Annotated[str, _doc("The page's name.")]
    views: Annotated[int, _doc("Page views of this page in the window.")]
    last_viewed: Annotated[str, _doc("When it was viewed last (RFC 3339, UTC, milliseconds).")]


class Details(TypedDict, total=False):
    """The details of a profile; instants are RFC 3339, in UTC."""

    window: Annotated[Bounds, _doc("The window's two ends.")]
    seconds_on_site: Annotated[float, _doc("Time on site in seconds, exact to the millisecond.")]
    visits: Annotated[int, _doc("Visits: runs of page views with gaps of at most 30 minutes.")]
    days: Annotated[
        list[DayViews], _doc("Each UTC date that the window touches, and its page views.")
    ]
    top_pages: Annotated[
        list[TopPage], _doc("The ten most viewed pages; the most viewed comes first.")
    ]
    first_view: Annotated[
        str | None, _doc("The first page view in the window (RFC 3339, UTC), or null.")
    ]
    last_view: Annotated[
        str | None, _doc("The last page view in the window (RFC 3339, UTC), or null.")
    ]


Profile = dict[str, Any]
"""A profile as users see it: the keys of `FIELDS`, with the days filled in, and maybe `Details`."""

FIELDS: Mapping[str, Any] = {
    "user_id": Annotated[str, _doc("The user's id.")],
    "number_pages_viewed_in_the_last_{days}_days": Annotated[
        int, _doc("Page views in the window; a page that was viewed twice counts twice.")
    ],
    "time_spent_on_site_in_last_{days}_days": Annotated[
        int,
        _doc("Minutes on the site, rounded half up: the sum of gaps of at most 30 minutes."),
    ],
    "number_of_days_active_in_last_{days}_days": Annotated[
        int, _doc("UTC dates with a page view in the window, at most the days of the window.")
    ],
    "most_viewed_page_in_last_{days}_days": Annotated[
        str | None,
        _doc("The name of the page viewed most often; null if there are no page views."),
    ],
}
"""The keys of a profile in order, and the types of their values."""


@cache
def _keys(days: int) -> list[str]:
    return [key.format(days=days) for key in FIELDS]


def profile(user_id: str, summary: Summary, days: int = 7) -> Profile:
    """Return the profile for the summary of a window of `days` days: five keys, in order."""
    values = (
        user_id,
        summary.views,
        _whole_minutes(summary.time),
        # A rolling window can touch days + 1 dates; its two partial dates count as one day.
        min(len(summary.dates), days),
        most_viewed(summary.pages),
    )
    return dict(zip(_keys(days), values, strict=True))


def detailed_profile(user_id: str, summary: Summary, window: Window) -> Profile:
    """Return the profile for the summary of `window`, followed by its `Details`.

    `days` has every UTC date that the window touches, including dates without a view.
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
    """Return a profile as JSON; every interface uses this, so all give the same bytes."""
    return msgspec.json.encode(profile)


def _whole_minutes(milliseconds: int) -> int:
    return (milliseconds + MINUTE // 2) // MINUTE

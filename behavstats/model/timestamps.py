"""Convert RFC 3339 text to instants (whole ms since the epoch, UTC) and back."""

import re
from datetime import UTC, datetime, timedelta

from behavstats.errors import InvalidInput

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_NOT_RFC_3339 = "is not RFC 3339 with Z or an offset"
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND

# The whole grammar of RFC 3339, section 5.6; `datetime` checks the day of the month. A leap second
# (:60) is not accepted, since it has no millisecond of its own since the epoch.
_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?"
    r"([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
_SHOWN = 40  # characters of a bad timestamp in a message


def parse_instant(text: str, field: str = "timestamp") -> int:
    """Return the instant of an RFC 3339 timestamp, in whole ms since the epoch.

    Digits finer than a millisecond are cut off. Raises InvalidInput (its code is `invalid_` and the
    `field`) if the text is not RFC 3339, has no offset, or is outside of the years 1970 to 9999.
    """
    try:
        return _parse(text)
    except ValueError as error:
        shown = text if len(text) < _SHOWN else text[:_SHOWN] + "…"
        raise InvalidInput(f"invalid_{field}", f"{field} {shown!r} {error}", field) from None


def _parse(text: str) -> int:
    if not _RFC_3339.fullmatch(text):
        raise ValueError(_NOT_RFC_3339)
    try:
        time = datetime.fromisoformat(text.upper())
    except ValueError:
        raise ValueError(_NOT_RFC_3339) from None
    instant = (time - _EPOCH) // _MILLISECOND
    if instant < 0:
        raise ValueError("is before 1970")
    if instant > _LAST:
        raise ValueError("is after the year 9999")
    return instant


def format_instant(instant: int) -> str:
    """Return ms since the epoch as RFC 3339 text, in UTC with three decimals and `Z`."""
    text = (_EPOCH + instant * _MILLISECOND).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


def format_date(day: int) -> str:
    """Return the UTC date that is `day` days after 1970-01-01 as ISO text."""
    return (_EPOCH + timedelta(days=day)).date().isoformat()

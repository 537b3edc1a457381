"""Instants: RFC 3339 text to whole milliseconds since the epoch, UTC, and back."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from behavstats.errors import InvalidInput

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND

# The grammar of RFC 3339, section 5.6, in full, in two parts that repeat a lot in a stream of page
# views, so that each is remembered; which days a month has is left to `datetime`. A leap second
# (:60) has no millisecond of its own since the epoch and is not accepted.
_MINUTE_LENGTH = len("1970-01-01T00:00")
_UP_TO_MINUTE = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt]([01]\d|2[0-3]):([0-5]\d)",
    re.ASCII,
)
_FROM_SECOND = re.compile(
    r":([0-5]\d)(?:\.(\d+))?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))",
    re.ASCII,
)
_FINER_DIGITS = re.compile(r"(\.\d{3})\d+", re.ASCII)
_LONG = 40  # with three decimals and an offset it is 29; a longer text must not be remembered
_REMEMBERED = 65_536  # texts of each part; there are 60,000 of a minute's milliseconds with Z


def parse_instant(text: str, field: str = "timestamp") -> int:
    """Return the instant that an RFC 3339 timestamp names, in whole ms since the epoch.

    Digits finer than a millisecond are cut off. Raises InvalidInput (`invalid_timestamp`, or of
    the `field` that is being read) if the text is not RFC 3339, has no offset, or names no instant
    of the years 1970 to 9999.
    """
    try:
        cut = text if len(text) < _LONG else _FINER_DIGITS.sub(r"\1", text, count=1)[:_LONG]
        instant = _minute(cut[:_MINUTE_LENGTH]) + _within_minute(cut[_MINUTE_LENGTH:])
    except ValueError:
        raise _invalid(field, text, "is not RFC 3339 with Z or an offset") from None
    if not 0 <= instant <= _LAST:
        raise _invalid(field, text, "is before 1970" if instant < 0 else "is after the year 9999")
    return instant


@lru_cache(_REMEMBERED)
def _minute(text: str) -> int:
    """Return the ms from the epoch to the start of a minute, as if its time were UTC."""
    match = _UP_TO_MINUTE.fullmatch(text)
    if not match:
        raise ValueError
    year, month, day, hour, minute = map(int, match.groups())
    return (datetime(year, month, day, hour, minute, tzinfo=UTC) - _EPOCH) // _MILLISECOND


@lru_cache(_REMEMBERED)
def _within_minute(text: str) -> int:
    """Return the ms from the start of a minute in UTC: seconds and decimals, less the offset."""
    match = _FROM_SECOND.fullmatch(text)
    if not match:
        raise ValueError
    seconds, decimals, sign, hours, minutes = match.groups(default="")
    offset = int(sign + hours) * HOUR + int(sign + minutes) * MINUTE if sign else 0
    return int(seconds) * SECOND + int((decimals + "000")[:3]) - offset


def format_instant(instant: int) -> str:
    """Return the RFC 3339 text, in UTC with three decimals and `Z`, of ms since the epoch."""
    text = (_EPOCH + instant * _MILLISECOND).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


def format_date(day: int) -> str:
    """Return the ISO text of the UTC date that lies `day` days after 1970-01-01."""
    return (_EPOCH + timedelta(days=day)).date().isoformat()


def _invalid(field: str, text: str, what: str) -> InvalidInput:
    shown = text if len(text) <= 40 else text[:40] + "…"
    return InvalidInput(f"invalid_{field}", f"{field} {shown!r} {what}", field)

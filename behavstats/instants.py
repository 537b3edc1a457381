"""Instants: RFC 3339 text to whole milliseconds since the epoch, UTC, and back."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

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
_NOT_RFC_3339 = "is not RFC 3339 with Z or an offset"
_REMEMBERED = 100_000  # texts of each part; there are 60,000 of a minute's milliseconds with Z


def parse_instant(text: str, field: str = "timestamp") -> int:
    """Return the instant that an RFC 3339 timestamp names, in whole ms since the epoch.

    Digits finer than a millisecond are cut off. Raises InvalidInput (`invalid_timestamp`, or of
    the `field` that is being read) if the text is not RFC 3339, has no offset, or names no instant
    of the years 1970 to 9999.
    """
    try:
        (instant,) = parse_instants([text])
    except ValueError as error:
        shown = text if len(text) < _LONG else text[:_LONG] + "…"
        raise InvalidInput(f"invalid_{field}", f"{field} {shown!r} {error}", field) from None
    return instant


def parse_instants(texts: Sequence[str]) -> list[int]:
    """Return the instants of many timestamps; as `parse_instant`, but ValueError if one is bad."""
    if max(map(len, texts), default=0) >= _LONG:
        texts = [_FINER_DIGITS.sub(r"\1", text, count=1)[:_LONG] for text in texts]
    cut = _MINUTE_LENGTH
    instants = [_minutes[text[:cut]] + _within_minute[text[cut:]] for text in texts]
    if min(instants, default=0) < 0:
        raise ValueError("is before 1970")
    if max(instants, default=0) > _LAST:
        raise ValueError("is after the year 9999")
    return instants


class _Memory(dict[str, int]):
    """What a function has returned for some texts. It is asked for each of millions of lines."""

    def __init__(self, function: Callable[[str], int]) -> None:
        self._function = function

    def __missing__(self, text: str) -> int:
        if len(self) >= _REMEMBERED:
            self.clear()
        value = self[text] = self._function(text)
        return value


def _parse_minute(text: str) -> int:
    """Return the ms from the epoch to the start of a minute, as if its time were UTC."""
    match = _UP_TO_MINUTE.fullmatch(text)
    if not match:
        raise ValueError(_NOT_RFC_3339)
    year, month, day, hour, minute = map(int, match.groups())
    try:
        start = datetime(year, month, day, hour, minute, tzinfo=UTC)
    except ValueError:
        raise ValueError(_NOT_RFC_3339) from None
    return (start - _EPOCH) // _MILLISECOND


def _parse_within_minute(text: str) -> int:
    """Return the ms from the start of a minute in UTC: seconds and decimals, less the offset."""
    match = _FROM_SECOND.fullmatch(text)
    if not match:
        raise ValueError(_NOT_RFC_3339)
    seconds, decimals, sign, hours, minutes = match.groups(default="")
    offset = int(sign + hours) * HOUR + int(sign + minutes) * MINUTE if sign else 0
    return int(seconds) * SECOND + int((decimals + "000")[:3]) - offset


_minutes = _Memory(_parse_minute)
_within_minute = _Memory(_parse_within_minute)


def format_instant(instant: int) -> str:
    """Return the RFC 3339 text, in UTC with three decimals and `Z`, of ms since the epoch."""
    text = (_EPOCH + instant * _MILLISECOND).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


def format_date(day: int) -> str:
    """Return the ISO text of the UTC date that lies `day` days after 1970-01-01."""
    return (_EPOCH + timedelta(days=day)).date().isoformat()

"""Parse many RFC 3339 timestamps at once, in columns of characters."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from behavstats.model.columns import Instants
from behavstats.model.timestamps import DAY, HOUR, MINUTE, SECOND

_Characters = NDArray[np.uint8]

# Positions in 1970-01-01T00:00:00.000+00:00 (RFC 3339, section 5.6).
_DIGITS = [0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18]
_DASHES, _T, _COLONS, _POINT = [4, 7], 10, [13, 16], 19
_ZULU, _OFFSET = len("Z"), len("+00:00")
_LONGEST = 40
_LOWER_CASE = 0x20  # the bit that turns an upper-case ASCII letter into lower case
# Days from the epoch to the first of each month of 1970 to 9999, and of the month after.
_MONTHS = np.arange(12 * (10_000 - 1970) + 1).astype("M8[M]").astype("M8[D]").astype(np.int64)


def parse_timestamps(texts: Sequence[str]) -> Instants:
    """Return the instants of RFC 3339 timestamps, in whole ms since the epoch.

    An instant is negative if the text is not RFC 3339, has no offset, gives a date before 1970, or
    is over 40 characters long; `parse_instant` has to parse those. An instant may be after the year
    9999 because of its offset; callers check for that.
    """
    lengths = {*map(len, texts)}
    if len(lengths) == 1:
        return _parse_alike(texts, *lengths)
    instants = np.full(len(texts), -1, np.int64)
    for length in lengths:
        where = [i for i, text in enumerate(texts) if len(text) == length]
        instants[where] = _parse_alike([texts[i] for i in where], length)
    return instants


def _parse_alike(texts: Sequence[str], length: int) -> Instants:
    """Parse timestamps of one length."""
    instants = np.full(len(texts), -1, np.int64)
    if not _POINT + _ZULU <= length <= _LONGEST:
        return instants
    joined = "".join(texts).encode("ascii", "replace")
    # One row for each position in the text, so that all operations run along rows.
    characters = np.frombuffer(joined, np.uint8).reshape(-1, length).T.copy()
    zulu = (characters[-1] | _LOWER_CASE) == ord("z")
    if zulu.all():
        return _parse(characters[:-_ZULU])
    instants[zulu] = _parse(characters[:-_ZULU, zulu])
    if length >= _POINT + _OFFSET:
        offset, valid = _offset(characters[-_OFFSET:, ~zulu])
        local = _parse(characters[:-_OFFSET, ~zulu])
        instants[~zulu] = np.where(valid & (local >= 0), local - offset, -1)
    return instants


def _parse(characters: _Characters) -> Instants:
    """Parse the part before the offset; `characters[i]` holds position i of each text."""
    digits = characters - np.uint8(ord("0"))  # unsigned, so other characters are over 9
    fraction = digits[_POINT + 1 :]
    valid = digits[_DIGITS].max(axis=0) <= 9
    valid &= (characters[_DASHES] == ord("-")).all(axis=0)
    valid &= (characters[_COLONS] == ord(":")).all(axis=0)
    valid &= (characters[_T] | _LOWER_CASE) == ord("t")
    if len(characters) > _POINT:
        valid &= (characters[_POINT] == ord(".")) & (fraction.max(axis=0, initial=0) <= 9)
        valid &= len(fraction) > 0
    year = _number(digits[:4])
    month, day, hour, minute, second = (_number(digits[at : at + 2]) for at in (5, 8, 11, 14, 17))
    valid &= (year >= 1970) & (month >= 1) & (month <= 12)
    months = np.where(valid, (year - 1970) * 12 + month - 1, 0)
    days = _MONTHS[months] + day - 1
    valid &= (day >= 1) & (days < _MONTHS[months + 1])
    valid &= (hour <= 23) & (minute <= 59) & (second <= 59)
    thousandths = _number(fraction[:3]) * 10 ** (3 - len(fraction[:3]))
    of_day = hour * HOUR + minute * MINUTE + second * SECOND + thousandths
    return np.where(valid, days * DAY + of_day, -1)


def _offset(zone: _Characters) -> tuple[Instants, NDArray[np.bool_]]:
    """Return how many ms offsets such as `+01:00` are ahead of UTC, and which offsets are valid."""
    digits = zone - np.uint8(ord("0"))
    hours, minutes = _number(digits[1:3]), _number(digits[4:6])
    behind = zone[0] == ord("-")
    valid = (behind | (zone[0] == ord("+"))) & (zone[3] == ord(":"))
    valid &= (digits[[1, 2, 4, 5]].max(axis=0) <= 9) & (hours <= 23) & (minutes <= 59)
    offset = (hours * HOUR + minutes * MINUTE).astype(np.int64)
    return np.where(behind, -offset, offset), valid


def _number(digits: _Characters) -> NDArray[np.int32]:
    """Return the numbers with these digits, one row for each decimal place; 0 without a row."""
    number = np.zeros(digits.shape[1], np.int32)
    for place in digits:
        number = number * 10 + place
    return number

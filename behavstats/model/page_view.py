"""A page view, a rejected line, and the limits on both."""

from typing import NamedTuple

import msgspec

from behavstats.errors import InvalidInput
from behavstats.model.timestamps import HOUR

MAX_USER_ID_BYTES = 512
MAX_NAME_BYTES = 2048

MAX_AHEAD = 24 * HOUR
"""How far ahead of the clock, in ms, a page view may be."""

OF_FILES, OF_ALL_WITHOUT_KEYS = 0, 1
"""Senders: all files and standard input; all who send to a server without keys."""


class PageView(msgspec.Struct, frozen=True, gc=False):
    """One validated page view; `instant` in whole ms since the epoch, UTC.

    The instant of some messages depends on when they arrived, so the same message, sent again,
    would be another page view by its instant. `arrival_key` is a digest that identifies such a
    message, and `claimed_time` is the instant that the message itself claims, if any.
    """

    user_id: str
    instant: int
    name: str
    arrival_key: bytes = b""
    claimed_time: int | None = None


class Rejection(NamedTuple):
    """A line that is not a page view: where it stands, why, and its text (or its beginning).

    `arrived` is when it came, in ms, None if that is not known; `sender`, from whom.
    """

    source: str
    line: int
    offset: int
    length: int
    reason: str
    message: str
    text: bytes
    arrived: int | None = None
    sender: int = OF_FILES

    @property
    def size(self) -> int:
        """Roughly the bytes of memory that it takes."""
        return 2 * (len(self.text) + 600)


def check_user_id(user_id: str) -> str:
    """Return `user_id`, or raise InvalidInput unless it is 1 to 512 UTF-8 bytes without NUL."""
    return _check_text("user_id", user_id, MAX_USER_ID_BYTES)


def check_name(name: str) -> str:
    """Return `name`, or raise InvalidInput unless it is 1 to 2,048 UTF-8 bytes without NUL."""
    return _check_text("name", name, MAX_NAME_BYTES)


def _check_text(field: str, text: str, most: int) -> str:
    wrong = ""
    try:
        if not 1 <= (len(text) if text.isascii() else len(text.encode())) <= most:
            wrong = f"is not 1 to {most:,} UTF-8 bytes long"
        elif "\0" in text:
            wrong = "contains a NUL"
    except UnicodeEncodeError:
        wrong = "contains a lone surrogate"
    if wrong:
        raise InvalidInput(f"invalid_{field}", f"{field} {wrong}", field)
    return text


def check_instant(instant: int, now: int) -> int:
    """Return `instant`, or raise InvalidInput if it is over 24 hours ahead of `now`; both in ms."""
    if instant > now + MAX_AHEAD:
        message = "timestamp is more than 24 hours ahead of the clock"
        raise InvalidInput("invalid_timestamp", message, "timestamp")
    return instant

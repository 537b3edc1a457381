"""Page views, rejected lines, and the limits of their values."""

from typing import NamedTuple

import msgspec

from behavstats.errors import InvalidInput
from behavstats.model.timestamps import HOUR

MAX_USER_ID_BYTES = 512
MAX_NAME_BYTES = 2048

MAX_AHEAD = 24 * HOUR
"""How far ahead of the clock a page view may be, in ms."""

FILE_SENDER, KEYLESS_SENDER = 0, 1
"""The `sender` of rejections from files and standard input, and from clients without a key."""


class PageView(msgspec.Struct, frozen=True, gc=False):
    """A valid page view; `instant` is in whole ms since the epoch, UTC.

    The instant of some messages depends on when they arrived, so the same message sent again would
    have another instant and count twice. `arrival_key` is a digest that identifies such a message
    (empty for all others), and `claimed_time` is the instant that the message itself claims, if
    any.
    """

    user_id: str
    instant: int
    name: str
    arrival_key: bytes = b""
    claimed_time: int | None = None


class Rejection(NamedTuple):
    """A line that is not a page view: its place, the reason, and its text (or its beginning).

    `line` is counted from 1; `offset` and `length` are in bytes of the source; `arrived` is the
    time of arrival in ms since the epoch, or None if it is not known; `sender` identifies the
    client, because each client has a limit on its kept lines (see `FILE_SENDER`).
    """

    source: str
    line: int
    offset: int
    length: int
    reason: str
    message: str
    text: bytes
    arrived: int | None = None
    sender: int = FILE_SENDER

    @property
    def size(self) -> int:
        """The approximate memory of this rejection, in bytes."""
        return 2 * (len(self.text) + 600)


def check_user_id(user_id: str) -> str:
    """Return `user_id`; raises InvalidInput unless it is 1 to 512 UTF-8 bytes without NUL."""
    return _check_text("user_id", user_id, MAX_USER_ID_BYTES)


def check_name(name: str) -> str:
    """Return `name`; raises InvalidInput unless it is 1 to 2,048 UTF-8 bytes without NUL."""
    return _check_text("name", name, MAX_NAME_BYTES)


def _check_text(field: str, text: str, limit: int) -> str:
    wrong = ""
    try:
        if not 1 <= (len(text) if text.isascii() else len(text.encode())) <= limit:
            wrong = f"is not 1 to {limit:,} UTF-8 bytes long"
        elif "\0" in text:
            wrong = "contains a NUL"
    except UnicodeEncodeError:
        wrong = "contains a lone surrogate"
    if wrong:
        raise InvalidInput(f"invalid_{field}", f"{field} {wrong}", field)
    return text


def check_instant(instant: int, now: int) -> int:
    """Return `instant`; raises InvalidInput if it is over 24 hours ahead of `now`; both in ms."""
    if instant > now + MAX_AHEAD:
        message = "timestamp is more than 24 hours ahead of the clock"
        raise InvalidInput("invalid_timestamp", message, "timestamp")
    return instant

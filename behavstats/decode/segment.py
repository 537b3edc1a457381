"""Interpret Segment messages: whether a message is a page view, and when the page was viewed."""

from hashlib import blake2b
from typing import NamedTuple

from behavstats.decode.wire import PAGE_KINDS, Message
from behavstats.errors import InvalidInput
from behavstats.model.page_view import (
    KEYLESS_SENDER,
    MAX_AHEAD,
    PageView,
    check_instant,
    check_name,
    check_user_id,
)
from behavstats.model.timestamps import MINUTE, parse_instant

_WRONG_CLOCK = 5 * MINUTE  # a smaller difference may be the time that a message takes to arrive


class Other(NamedTuple):
    """A valid message that is not a page view, for example `track`. It is counted, not stored."""

    kind: str


class Arrival(NamedTuple):
    """How a message arrived.

    `instant` is when it arrived (ms since the epoch); `behind` is the number of ms by which the
    sender's clock is behind ours, None if the sender does not say. `kind` is the kind of messages
    that the route accepts: on a route of page views, the type of a message overrides it; on other
    routes, the type is ignored. `sender` is stored with a rejected message.
    """

    instant: int
    behind: int | None = None
    kind: str | None = None
    sender: int = KEYLESS_SENDER


def clock_behind(arrived: int, sent_at: object) -> int | None:
    """Return how many ms a sender's clock is behind ours; 0 unless it is clearly wrong.

    `arrived` is the time of arrival by our clock (ms since the epoch), `sent_at` the time of
    sending by the sender's clock. Returns None if `sent_at` is not a timestamp.

    A difference of up to five minutes may be the time that the message took to arrive. The
    specification (see https://segment.com/docs/connections/spec/common/) corrects it as well, which
    can change the order of messages that were sent separately.
    """
    if not isinstance(sent_at, str):
        return None
    try:
        behind = arrived - parse_instant(sent_at)
    except InvalidInput:
        return None
    return behind if abs(behind) > _WRONG_CLOCK else 0


def from_message(message: Message, now: int, arrival: Arrival | None) -> PageView | Other:
    """Return the page view of a Segment message, or Other if it is of another kind.

    `now` is in ms since the epoch. Raises InvalidInput if the page view is not valid.
    """
    kind = message.kind(arrival.kind if arrival else None)
    if kind not in PAGE_KINDS:
        return Other(kind)
    claimed_time = None if message.time is None else parse_instant(message.time)
    instant = _instant(message, claimed_time, arrival)
    user, page = check_user_id(message.user), check_name(message.page)
    check_instant(instant, now)
    if instant == claimed_time:
        return PageView(user, instant, page)
    return PageView(user, instant, page, _digest(message, claimed_time, page), claimed_time)


def _instant(message: Message, claimed_time: int | None, arrival: Arrival | None) -> int:
    """Return when a message happened (ms): its claimed time, corrected or replaced by the arrival.

    Without an arrival (in a file), the claimed time counts, or else the time of `receivedAt`.
    """
    if claimed_time is None:
        return _received(message) if arrival is None else arrival.instant
    if arrival is None:
        return claimed_time
    # When a message is sent again, only the batch may have a new `sentAt`, so the later one counts.
    behinds = (arrival.behind, clock_behind(arrival.instant, message.sent_at))
    behind = min((behind for behind in behinds if behind is not None), default=0)
    corrected = claimed_time + behind
    # An impossible result says nothing about the clock.
    return corrected if 0 <= corrected <= arrival.instant + MAX_AHEAD else claimed_time


def _received(message: Message) -> int:
    """Return when a message in a file first arrived (ms), as exports of rejected messages say."""
    if not isinstance(message.received_at, str):
        raise InvalidInput("missing_key", "timestamp is missing", "timestamp")
    try:
        return parse_instant(message.received_at)
    except InvalidInput:
        text = "receivedAt is not an RFC 3339 time with Z or an offset"
        raise InvalidInput("invalid_timestamp", text, "receivedAt") from None


def _digest(message: Message, claimed_time: int | None, page: str) -> bytes:
    """Return a digest that identifies a message among its user's messages, or an empty one.

    The digest is empty if the message has neither an id nor a time.
    """
    if claimed_time is None and not message.message_id:
        return b""
    known = (message.message_id, claimed_time, page)  # two page views may have the same id
    return blake2b(repr(known).encode(), digest_size=16).digest()

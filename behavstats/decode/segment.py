"""Messages of Segment's clients: which are page views, and when these happened."""

from hashlib import blake2b
from typing import NamedTuple

from behavstats.decode.wire import PAGES, Message
from behavstats.errors import InvalidInput
from behavstats.model.page_view import (
    MAX_AHEAD,
    OF_ALL_WITHOUT_KEYS,
    PageView,
    check_instant,
    check_name,
    check_user_id,
)
from behavstats.model.timestamps import MINUTE, parse_instant

_WRONG_CLOCK = 5 * MINUTE


class Other(NamedTuple):
    """A message that is no page view, but, say, a `track`."""

    kind: str


class Arrival(NamedTuple):
    """How a message came: when, and by how much its sender's clock is behind, both in ms.

    That is None if it is not told. `kind` is what comes this way: a page view, unless the message
    says that it is something else; or another kind, whatever the message says. `sender` is from
    whom, if it is rejected.
    """

    instant: int
    behind: int | None = None
    kind: str | None = None
    sender: int = OF_ALL_WITHOUT_KEYS


def clock_behind(arrived: int, sent_at: object) -> int | None:
    """Return by how many ms a sender's clock is behind ours; 0 unless it is plainly wrong.

    `arrived` is ours, in ms; `sent_at` what the sender told at the same time. None if that is no
    timestamp.
    Up to five minutes may be the way here: https://segment.com/docs/connections/spec/common/ would
    correct these, too, and so change the order of what was sent apart.
    """
    if not isinstance(sent_at, str):
        return None
    try:
        behind = arrived - parse_instant(sent_at)
    except InvalidInput:
        return None
    return behind if abs(behind) > _WRONG_CLOCK else 0


def from_message(message: Message, now: int, arrival: Arrival | None) -> PageView | Other:
    """Return what a message of Segment holds; InvalidInput for a page view that is not valid."""
    kind = message.kind(arrival.kind if arrival else None)
    if kind not in PAGES:
        return Other(kind)
    claimed_time = None if message.time is None else parse_instant(message.time)
    instant = _dated(message, claimed_time, arrival)
    user, page = check_user_id(message.user), check_name(message.page)
    check_instant(instant, now)
    if instant == claimed_time:
        return PageView(user, instant, page)
    return PageView(user, instant, page, _digest(message, claimed_time, page), claimed_time)


def _dated(message: Message, claimed_time: int | None, arrival: Arrival | None) -> int:
    """Return when a message happened, in ms: what is told, unless that depends on its arrival."""
    if claimed_time is None:
        return _received(message) if arrival is None else arrival.instant
    if arrival is None:
        return claimed_time
    # What was sent again may be marked on the batch alone: the later one counts.
    behinds = (arrival.behind, clock_behind(arrival.instant, message.sent_at))
    behind = min((behind for behind in behinds if behind is not None), default=0)
    corrected = claimed_time + behind
    # What cannot be right tells nothing of the clock.
    return corrected if 0 <= corrected <= arrival.instant + MAX_AHEAD else claimed_time


def _received(message: Message) -> int:
    """Return when a message in a file had arrived: exports of such as were rejected tell it."""
    if not isinstance(message.received_at, str):
        raise InvalidInput("missing_key", "timestamp is missing", "timestamp")
    try:
        return parse_instant(message.received_at)
    except InvalidInput:
        text = "receivedAt is not an RFC 3339 time with Z or an offset"
        raise InvalidInput("invalid_timestamp", text, "receivedAt") from None


def _digest(message: Message, claimed_time: int | None, page: str) -> bytes:
    """Return what tells a message of a user from others; nothing, if nothing does."""
    if claimed_time is None and not message.message_id:
        return b""
    known = (message.message_id, claimed_time, page)  # an id may come twice, of another page view
    return blake2b(repr(known).encode(), digest_size=16).digest()

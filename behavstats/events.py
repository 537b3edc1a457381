"""Page views: decoding one, or a block of lines, into page views, others, and rejections."""

from collections import Counter
from collections.abc import Container, Iterable
from contextlib import suppress
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from behavstats.errors import InvalidInput
from behavstats.model.line_block import BYTE_ORDER_MARK, MAX_LINE_BYTES, Block
from behavstats.model.page_view import (
    MAX_AHEAD,
    OF_ALL_WITHOUT_KEYS,
    PageView,
    Rejection,
    check_instant,
    check_name,
    check_user_id,
)
from behavstats.model.timestamps import MINUTE, format_instant, parse_instant
from behavstats.wire import OTHERS, PAGES, THEIRS, Message, Typed, WireEvent, may_be_ours
from behavstats.wording import Misfit, malformed, misfit, must_be, type_of

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


class Lines(NamedTuple):
    """What a block of lines holds; `others` counts the messages that are no page views, by kind."""

    views: list[PageView]
    rejections: list[Rejection]
    others: Counter[str]


_decoder = msgspec.json.Decoder(WireEvent)
_message_decoder = msgspec.json.Decoder(Message)
_typed_decoder = msgspec.json.Decoder(Typed)
_encoder = msgspec.json.Encoder()
_raw_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_any_decoder = msgspec.json.Decoder(msgspec.defstruct("_Any", ()))


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


def decode_event(body: bytes, now: int, arrival: Arrival | None = None) -> PageView | Other:
    """Return the page view that one JSON object holds, in our own format or as a Segment message.

    `now` is the clock, in ms. What a message's clock tells is corrected, or completed, by when and
    how it arrived, if that is known. Raises InvalidInput, whose code is one of `invalid_utf8`,
    `invalid_json`, `too_deep`, `not_an_object`, `missing_key`, `wrong_type`, `invalid_user_id`,
    `invalid_name`, `invalid_timestamp` and `invalid_type`, and which names the field where there is
    one.
    """
    kind = arrival.kind if arrival else None
    try:
        body.decode()  # msgspec passes over the bytes of keys that it skips
        event = _as_other(body, kind) if kind in OTHERS else _decoded(body, kind)
    except UnicodeDecodeError as error:
        at = f"byte {error.start:,}"
        raise InvalidInput("invalid_utf8", f"the text is not UTF-8 ({at})") from None
    except RecursionError:
        raise InvalidInput("too_deep", "the JSON is nested too deep") from None
    except msgspec.DecodeError as error:
        raise InvalidInput("invalid_json", malformed(error, body)) from None
    if isinstance(event, Other):
        return event
    if isinstance(event, Message):
        return _from_message(event, now, arrival)
    instant = check_instant(parse_instant(event.timestamp), now)
    return PageView(check_user_id(event.user_id), instant, check_name(event.name))


def decode_lines(block: Block, now: int, chosen: Container[int] | None = None) -> Lines:
    """Return what a block of lines holds; blank lines hold nothing.

    A byte-order mark before a line is skipped: where files are joined, it may stand anywhere.
    `now` is the clock, in ms. Of `chosen` lines alone, if given: 0 is the first of the block. Every
    line counts for itself: one bad line rejects nothing else.
    """
    views: list[PageView] = []
    rejections: list[Rejection] = []
    others = Counter[str]()
    if block.is_overlong:
        return Lines(views, [_overlong(block, now)], others)
    offset = block.offset
    for number, line in enumerate(block.text.split(b"\n")):
        text = line.removesuffix(b"\r").removeprefix(BYTE_ORDER_MARK)
        if (chosen is None or number in chosen) and text.strip(b" \t"):
            try:
                event = decode_event(text, now)
            except InvalidInput as error:
                start = offset + len(BYTE_ORDER_MARK) * line.startswith(BYTE_ORDER_MARK)
                where = (block.source, block.line + number, start, len(text))
                rejections.append(Rejection(*where, error.code, str(error), text, now))
            else:
                if isinstance(event, PageView):
                    views.append(event)
                else:
                    others[event.kind] += 1
        offset += len(line) + 1
    return Lines(views, rejections, others)


def encode_lines(views: Iterable[PageView]) -> bytes:
    """Return page views as JSON lines in the wire format."""
    events = (WireEvent(view.user_id, view.name, format_instant(view.instant)) for view in views)
    return _encoder.encode_lines(events)


def _overlong(block: Block, now: int) -> Rejection:
    message = f"the line is {block.length:,} bytes long, over {MAX_LINE_BYTES:,}"
    return Rejection(
        block.source,
        block.line,
        block.offset,
        block.length,
        "line_too_long",
        message,
        block.text,
        now,
    )


def _as_other(body: bytes, kind: str) -> Other:
    """Return a message that is no page view: nothing in it has to be right, but that it is JSON."""
    try:
        _any_decoder.decode(body)
    except msgspec.ValidationError:
        raise InvalidInput("not_an_object", "the JSON is not an object") from None
    return Other(kind)


def _decoded(body: bytes, assumed: str | None) -> WireEvent | Message | Other:
    """Return what JSON holds, in the format that its keys mark; InvalidInput if it fits neither."""
    if not may_be_ours(body):
        message = _as_message(body)
        if message is not None and message.is_marked:
            return message
    try:
        return _decoder.decode(body)
    except msgspec.ValidationError as error:
        found = misfit(error)
    try:
        values = _raw_decoder.decode(body)
    except msgspec.ValidationError:
        raise InvalidInput("not_an_object", "the JSON is not an object") from None
    if "user_id" not in values and any(key in values for key in THEIRS):
        try:
            return _message_decoder.decode(body)
        except msgspec.ValidationError as error:
            return _other_than_a_page(body, assumed, misfit(error))
    for key in WireEvent.__struct_fields__:
        if key not in values:
            raise InvalidInput("missing_key", f"{key} is missing", key)
        if (is_a := type_of(bytes(values[key]))) != "str":
            raise InvalidInput("wrong_type", must_be(key, "str", is_a), key)
    raise InvalidInput("wrong_type", *found)


def _as_message(body: bytes) -> Message | None:
    try:
        return _message_decoder.decode(body)
    except msgspec.ValidationError:
        return None


def _other_than_a_page(body: bytes, assumed: str | None, found: Misfit) -> Other:
    """Return a message that is no page view: of that, nothing but its kind has to be right.

    Of a page view, say in InvalidInput which value is none that it could be.
    """
    with suppress(msgspec.ValidationError):
        kind = _typed_decoder.decode(body).kind(assumed)
        if kind not in PAGES:
            return Other(kind)
    raise InvalidInput("wrong_type", *found)


def _from_message(message: Message, now: int, arrival: Arrival | None) -> PageView | Other:
    kind = message.kind(arrival.kind if arrival else None)
    if kind not in PAGES:
        return Other(kind)
    told = None if message.time is None else parse_instant(message.time)
    instant = _dated(message, told, arrival)
    user, page = check_user_id(message.user), check_name(message.page)
    check_instant(instant, now)
    if instant == told:
        return PageView(user, instant, page)
    return PageView(user, instant, page, _digest(message, told, page), told)


def _dated(message: Message, told: int | None, arrival: Arrival | None) -> int:
    """Return when a message happened, in ms: what is told, unless that depends on its arrival."""
    if told is None:
        return _received(message) if arrival is None else arrival.instant
    if arrival is None:
        return told
    # What was sent again may be marked on the batch alone: the later one counts.
    behinds = (arrival.behind, clock_behind(arrival.instant, message.sent_at))
    behind = min((behind for behind in behinds if behind is not None), default=0)
    corrected = told + behind
    # What cannot be right tells nothing of the clock.
    return corrected if 0 <= corrected <= arrival.instant + MAX_AHEAD else told


def _received(message: Message) -> int:
    """Return when a message in a file had arrived: exports of such as were rejected tell it."""
    if not isinstance(message.received_at, str):
        raise InvalidInput("missing_key", "timestamp is missing", "timestamp")
    try:
        return parse_instant(message.received_at)
    except InvalidInput:
        text = "receivedAt is not an RFC 3339 time with Z or an offset"
        raise InvalidInput("invalid_timestamp", text, "receivedAt") from None


def _digest(message: Message, told: int | None, page: str) -> bytes:
    """Return what tells a message of a user from others; nothing, if nothing does."""
    if told is None and not message.message_id:
        return b""
    known = (message.message_id, told, page)  # an id may come twice, of another page view
    return blake2b(repr(known).encode(), digest_size=16).digest()

"""Page views and their wire format: one, or a block of lines, into views and rejections."""

from collections.abc import Container, Iterable
from typing import NamedTuple

import msgspec

from behavstats.errors import InvalidInput
from behavstats.instants import HOUR, format_instant, parse_instant

MAX_USER_ID_BYTES = 512
MAX_NAME_BYTES = 2048
MAX_LINE_BYTES = 1024 * 1024
MAX_AHEAD = 24 * HOUR
"""How far ahead of the clock, in ms, a page view may be."""


class PageView(msgspec.Struct, frozen=True, gc=False):
    """One validated page view; `instant` in whole ms since the epoch, UTC."""

    user_id: str
    instant: int
    name: str


class Block(NamedTuple):
    """Whole lines of one source that stand together.

    `line` and `offset` (bytes, decompressed) say where the first of them stands, `length` how many
    bytes they span there. Of a line over `MAX_LINE_BYTES`, which is a block of its own, `text` is
    only the beginning; everywhere else `length` is that of `text`.
    """

    source: str
    line: int
    offset: int
    text: bytes
    length: int

    @property
    def is_overlong(self) -> bool:
        """Whether this is one line that is longer than a page view may be."""
        return self.length > len(self.text)


class Rejection(NamedTuple):
    """A line that is not a page view: where it stands, why, and its text (or its beginning)."""

    source: str
    line: int
    offset: int
    length: int
    reason: str
    message: str
    text: bytes

    @property
    def size(self) -> int:
        """Roughly the bytes of memory that it takes."""
        return 2 * (len(self.text) + 600)


class WireEvent(msgspec.Struct, gc=False):
    """A page view as it comes over the wire; other keys are skipped."""

    user_id: str
    name: str
    timestamp: str


_decoder = msgspec.json.Decoder(WireEvent)
_encoder = msgspec.json.Encoder()
_raw_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


def check_user_id(user_id: str) -> str:
    """Return `user_id`, or raise InvalidInput unless it is 1 to 512 UTF-8 bytes without NUL."""
    return _check_text("user_id", user_id, MAX_USER_ID_BYTES)


def check_name(name: str) -> str:
    """Return `name`, or raise InvalidInput unless it is 1 to 2,048 UTF-8 bytes without NUL."""
    return _check_text("name", name, MAX_NAME_BYTES)


def decode_event(body: bytes, now: int) -> PageView:
    """Return the page view that one JSON object holds; `now` is the clock, in ms.

    Raises InvalidInput, whose code is one of `invalid_utf8`, `invalid_json`, `too_deep`,
    `not_an_object`, `missing_key`, `wrong_type`, `invalid_user_id`, `invalid_name` and
    `invalid_timestamp`, and which names the field where there is one.
    """
    try:
        body.decode()  # msgspec passes over the bytes of keys that it skips
        try:
            event = _decoder.decode(body)
        except msgspec.ValidationError as error:
            raise _misfit(body, str(error)) from None
    except UnicodeDecodeError as error:
        at = f"byte {error.start:,}"
        raise InvalidInput("invalid_utf8", f"the text is not UTF-8 ({at})") from None
    except RecursionError:
        raise InvalidInput("too_deep", "the JSON is nested too deep") from None
    except msgspec.DecodeError as error:
        raise InvalidInput("invalid_json", str(error)) from None
    instant = _check_instant(parse_instant(event.timestamp), now)
    return PageView(check_user_id(event.user_id), instant, check_name(event.name))


def decode_lines(
    block: Block, now: int, chosen: Container[int] | None = None
) -> tuple[list[PageView], list[Rejection]]:
    """Return the page views of a block of lines, and its bad lines; blank lines are neither.

    `now` is the clock, in ms. Of `chosen` lines alone, if given: 0 is the first of the block. Every
    line counts for itself: one bad line rejects nothing else.
    """
    if block.is_overlong:
        return [], [_overlong(block)]
    views: list[PageView] = []
    rejections: list[Rejection] = []
    offset = block.offset
    for number, line in enumerate(block.text.split(b"\n")):
        text = line.removesuffix(b"\r")
        if (chosen is None or number in chosen) and text.strip(b" \t"):
            try:
                views.append(decode_event(text, now))
            except InvalidInput as error:
                where = (block.source, block.line + number, offset, len(text))
                rejections.append(Rejection(*where, error.code, str(error), text))
        offset += len(line) + 1
    return views, rejections


def encode_lines(views: Iterable[PageView]) -> bytes:
    """Return page views as JSON lines in the wire format."""
    events = (WireEvent(view.user_id, view.name, format_instant(view.instant)) for view in views)
    return _encoder.encode_lines(events)


def _overlong(block: Block) -> Rejection:
    message = f"the line is {block.length:,} bytes long, over {MAX_LINE_BYTES:,}"
    return Rejection(
        block.source,
        block.line,
        block.offset,
        block.length,
        "line_too_long",
        message,
        block.text,
    )


def _misfit(body: bytes, message: str) -> InvalidInput:
    """Say what is wrong with JSON without the keys of a page view; or else, `message`."""
    try:
        values = _raw_decoder.decode(body)
    except msgspec.ValidationError:
        return InvalidInput("not_an_object", "the JSON is not an object")
    for key in WireEvent.__struct_fields__:
        if key not in values:
            return InvalidInput("missing_key", f"{key} is missing", key)
        if not bytes(values[key]).startswith(b'"'):
            return InvalidInput("wrong_type", f"{key} is not a string", key)
    return InvalidInput("wrong_type", message)


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


def _check_instant(instant: int, now: int) -> int:
    if instant > now + MAX_AHEAD:
        message = "timestamp is more than 24 hours ahead of the clock"
        raise InvalidInput("invalid_timestamp", message, "timestamp")
    return instant

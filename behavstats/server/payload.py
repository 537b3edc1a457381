"""The payload of a request: its body, decompressed and parsed into page views and rejections."""

import re
import zlib
from collections import Counter
from collections.abc import Sequence
from itertools import chain, islice
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta, Raw

from behavstats.decode.event import decode_event
from behavstats.decode.json_errors import malformed, misfit
from behavstats.decode.segment import Arrival, Other
from behavstats.decode.wire import THEIRS
from behavstats.errors import InvalidInput, TooLarge
from behavstats.model.line_block import BYTE_ORDER_MARK, MAX_LINE_BYTES
from behavstats.model.page_view import PageView, Rejection

MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_DECOMPRESSED_BYTES = 16 * 1024 * 1024
MAX_MESSAGES = 2_500

_MANY_COMMAS = 250_000  # what has fewer is decoded into so few objects that they may be counted
_LONGEST_TEXT = 8 * 1024  # bytes of what stands around messages

GZIP = b"\x1f\x8b"
"""How gzip begins."""

_GZIP_FORMAT = 16 + zlib.MAX_WBITS
_PIECE = 16 * 1024  # bytes
_KEPT_OF_LONG_MESSAGE = 4 * 1024
# As clients put a key into each message: not to be kept, however wrong the message is.
_NAME = b"writeKey"
_ESCAPE = b"\\u00"  # how a letter of the name may begin
_AS_JSON = b"".join(rb"(?:%c|\\u00(?i:%02x))" % (letter, letter) for letter in _NAME)
_KEY = re.compile(
    rb'("%b"\s*:\s*")(?:[^"\\]++|\\.)*+|(writeKey=)[^&"#\\\s]++' % _AS_JSON, re.DOTALL
)
_HIDDEN = rb"\1\2..."
_WORTH_COLUMNS = 20  # messages
_BESIDE = 600  # bytes that a message takes beside its text
_LINE = re.compile(rb"[^ \t\r\n][^\n]*")  # one that is not blank
_LINES = "lines: send it in parts (split -l 2500), or use `behavstats ingest`"


_absent: Any = msgspec.field(default_factory=Raw)


class Envelope(msgspec.Struct, gc=False, rename="camel"):
    """What stands around the messages of a request, or within its only one, and is not theirs."""

    write_key: Annotated[Raw, Meta(description="The key, where no header has it.")] = _absent
    sent_at: Annotated[Raw, Meta(description="When it was sent, by the sender's clock.")] = _absent

    @property
    def key(self) -> str | None:
        """The key, if it is a text."""
        return _text(self.write_key)

    @property
    def sent(self) -> str | None:
        """When it was sent, if that is a text."""
        return _text(self.sent_at)


_GOOD = [{"$ref": f"#/components/schemas/{name}"} for name in ("WireEvent", "MessageInBatch")]
_MESSAGES = Meta(
    description="The messages, in either format. If none is good, the answer is 400.",
    extra_json_schema={"minItems": 1, "maxItems": MAX_MESSAGES, "contains": {"anyOf": _GOOD}},
)


class Batch(Envelope, gc=False, rename="camel", kw_only=True):
    """Messages that are sent together, in either format. Each is taken or rejected for itself."""

    batch: Annotated[list[Raw], _MESSAGES]


class Reason(NamedTuple):
    """Why a message was rejected, as InvalidInput says it.

    A value, and not the error: that would hold, by its traceback, the texts of all messages.
    """

    code: str
    message: str
    field: str | None


class Payload(NamedTuple):
    """What a request brings; `non_page_messages` counts messages of other kinds, by kind.

    `reason` is that of the first message, where none is good.
    """

    views: list[PageView]
    rejections: list[Rejection]
    non_page_messages: Counter[str]
    reason: Reason | None = None
    size: int = 0  # bytes of memory, roughly, until it is stored

    @property
    def is_to_be_stored(self) -> bool:
        """Whether anything of it is kept."""
        return bool(self.views or self.rejections)

    @property
    def error(self) -> InvalidInput | None:
        """The error to answer with, if no message is valid."""
        return None if self.reason is None else InvalidInput(*self.reason)


class Lines(NamedTuple):
    """The messages of newline-delimited JSON, and the numbers of their lines, from 1."""

    messages: list[bytes]
    numbers: list[int]


_envelope_decoder = msgspec.json.Decoder(Envelope)
_batch_decoder = msgspec.json.Decoder(Batch)
_text_decoder = msgspec.json.Decoder(str)
_MARKS = ("user_id", *THEIRS, "batch")
_marks_decoder = msgspec.json.Decoder(
    msgspec.defstruct("_Marks", [(mark, Raw, _absent) for mark in _MARKS])
)


def text_of(body: bytes) -> bytes:
    """Return the text that a body holds: decompressed, and without a byte-order mark."""
    return decompress(body).removeprefix(BYTE_ORDER_MARK)


def decompress(body: bytes) -> bytes:
    """Return a body, decompressed if it is gzip, whatever its headers say.

    Raises TooLarge as soon as there is more than 16 MiB, and InvalidInput (`invalid_gzip`) if it is
    damaged or cut off.
    """
    if not body.startswith(GZIP):
        return body
    parts, length, at = [], 0, 0
    try:
        while at < len(body):  # several gzip files, one after the other, are one
            member = zlib.decompressobj(_GZIP_FORMAT)
            while not member.eof:
                # Piece by piece: what follows a file is copied, and they may be tiny.
                piece = body[at : at + _PIECE]
                if not piece:
                    raise InvalidInput("invalid_gzip", "the gzip data is cut off")
                parts.append(member.decompress(piece, MAX_DECOMPRESSED_BYTES + 1 - length))
                length += len(parts[-1])
                if length > MAX_DECOMPRESSED_BYTES:
                    raise TooLarge("body", MAX_DECOMPRESSED_BYTES)
                at += len(piece) - len(member.unused_data)
    except zlib.error as error:
        raise InvalidInput("invalid_gzip", f"the gzip data is damaged: {error}") from None
    return b"".join(parts)


def open_envelope(text: bytes) -> Envelope:
    """Return what surrounds a single message; an empty envelope if it cannot be told."""
    try:
        return _envelope_decoder.decode(text)
    except (ValueError, RecursionError):
        return Envelope()


def open_batch(text: bytes) -> Batch:
    """Return the messages of a batch, each as its text.

    Raises InvalidInput if it is no JSON object with a `batch`, TooLarge if that has over 2,500.
    """
    if text.count(b",") > _MANY_COMMAS:
        return _split(text)
    try:
        batch = _decoded_batch(text)
    except InvalidInput as error:
        if error.code == "invalid_batch":
            raise
        return _split(text)  # one message may be at fault: that rejects no other
    if len(batch.batch) > MAX_MESSAGES:
        raise TooLarge("batch", MAX_MESSAGES, "messages")
    return batch


def _decoded_batch(text: bytes) -> Batch:
    try:
        return _batch_decoder.decode(text)
    except msgspec.ValidationError as error:
        message, _ = misfit(error, "the body")
        message = f"{message}; a batch is an object with an array of messages as its batch"
        raise InvalidInput("invalid_batch", message, "batch") from None
    except RecursionError:
        raise InvalidInput("too_deep", "the JSON is nested too deep") from None
    except msgspec.DecodeError as error:
        raise InvalidInput("invalid_json", malformed(error, text)) from None


def _split(text: bytes) -> Batch:
    """Decode what is around the messages alone."""
    from behavstats.decode.json_splitter import split_batch

    split = split_batch(text, MAX_MESSAGES)
    batch = _decoded_batch(split.around)
    batch.batch = [*map(Raw, split.messages)]
    return batch


def open_lines(text: bytes, *, are_told: bool = False) -> Lines | None:
    """Return the messages of newline-delimited JSON, one a line; None if a body is no such.

    It is, if one of its first two lines is a message by itself; or if that is told, so that each
    line may be broken. Raises TooLarge if there are over 2,500; blank ones do not count.
    """
    found = islice(_LINE.finditer(text), MAX_MESSAGES + 1)
    first = [*islice(found, 2)]
    if not are_told and not any(_is_message(line[0]) for line in first):
        return None
    lines, number, end = Lines([], []), 1, 0
    for line in chain(first, found):
        if len(lines.messages) == MAX_MESSAGES:
            raise TooLarge("batch", MAX_MESSAGES, _LINES)
        number += text.count(b"\n", end, line.start())
        end = line.start()
        lines.messages.append(line[0])
        lines.numbers.append(number)
    return lines


def _is_message(line: bytes) -> bool:
    try:
        found = _marks_decoder.decode(line)
    except (ValueError, RecursionError):
        return False
    told = {mark for mark in _MARKS if memoryview(getattr(found, mark)).nbytes}
    return bool(told) and "batch" not in told


def _text(value: Raw) -> str | None:
    """Return a short JSON string as text; None for anything else."""
    if not 0 < memoryview(value).nbytes <= _LONGEST_TEXT:
        return None
    try:
        return _text_decoder.decode(value)
    except ValueError:
        return None


def parse_payload(
    source: str,
    messages: Sequence[Raw | bytes],
    arrival: Arrival,
    numbers: Sequence[int] | None = None,
) -> Payload:
    """Decode messages, each for itself; a bad one becomes a rejected line of the source.

    `numbers` are those of their lines, where they do not simply follow each other from 1.
    """
    views: list[PageView] = []
    rejections: list[Rejection] = []
    others = Counter[str]()
    first: Reason | None = None
    texts = [*map(bytes, messages)]
    plain = _plain(texts, arrival)
    for number, text in enumerate(texts, start=1):
        try:
            event = plain[number - 1] or _decoded(text, arrival)
        except InvalidInput as error:
            reason = Reason(error.code, str(error), error.field)
            line = numbers[number - 1] if numbers else number
            rejections.append(_rejection(source, line, text, reason, arrival))
            first = first or reason
        else:
            if isinstance(event, PageView):
                views.append(event)
            else:
                others[event.kind] += 1
    return Payload(
        views,
        rejections,
        others,
        reason=None if views or others else first,
        size=sum(map(len, texts)) + _BESIDE * len(texts),
    )


def _plain(texts: list[bytes], arrival: Arrival) -> Sequence[PageView | None]:
    """Return the page views of those messages that can be decoded together, None for the others."""
    is_plain = len(texts) >= _WORTH_COLUMNS and not (arrival.behind or arrival.kind)
    if not is_plain or max(map(len, texts)) > MAX_LINE_BYTES:
        return [None] * len(texts)
    from behavstats.decode.vectorized import decode_plain  # and NumPy with it

    return decode_plain(texts, arrival.instant)


def _decoded(text: bytes, arrival: Arrival) -> PageView | Other:
    if len(text) > MAX_LINE_BYTES and text.count(b",") > _MANY_COMMAS:
        message = f"the message has over {_MANY_COMMAS:,} values"
        raise InvalidInput("message_too_large", message)
    return decode_event(text, arrival.instant, arrival)


def _rejection(
    source: str, number: int, text: bytes, reason: Reason, arrival: Arrival
) -> Rejection:
    line = _one_line(text)
    kept = line[:_KEPT_OF_LONG_MESSAGE] if len(line) > MAX_LINE_BYTES else line
    shown = _KEY.sub(_HIDDEN, kept) if _NAME in kept or _ESCAPE in kept else kept
    length = len(line) - len(kept) + len(shown)
    came = (arrival.instant, arrival.sender)
    return Rejection(source, number, 0, length, reason.code, reason.message, shown, *came)


def _one_line(text: bytes) -> bytes:
    """Return a message as the one line that `ingest` would read."""
    if b"\n" not in text and b"\r" not in text:
        return text
    try:
        return msgspec.json.format(text, indent=-1)
    except (ValueError, RecursionError):  # not JSON: then there is no string that it could change
        return text.replace(b"\r", b" ").replace(b"\n", b" ")

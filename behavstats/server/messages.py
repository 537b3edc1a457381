"""The messages of a body: a single one, a batch, or newline-delimited JSON."""

import re
from itertools import chain, islice
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta, Raw

from behavstats.decode.json_errors import malformed, misfit
from behavstats.decode.wire import SEGMENT_KEYS
from behavstats.errors import InvalidInput, TooLarge

MAX_MESSAGES = 2_500
MANY_COMMAS = 250_000
"""A text with fewer commas decodes into few enough objects that their number can be checked."""

_LONGEST_TEXT = 8 * 1024  # bytes of a value of the envelope
_LINE = re.compile(rb"[^ \t\r\n][^\n]*")  # one that is not blank
_LINES = "lines: send it in parts (split -l 2500), or use `behavstats ingest`"

_absent: Any = msgspec.field(default_factory=Raw)


class Envelope(msgspec.Struct, gc=False, rename="camel"):
    """The values of a body that belong to the request, and not to one of its messages."""

    write_key: Annotated[Raw, Meta(description="The key, if no header has it.")] = _absent
    sent_at: Annotated[Raw, Meta(description="When it was sent, by the sender's clock.")] = _absent

    @property
    def key(self) -> str | None:
        """The key, if it is a string."""
        return _text(self.write_key)

    @property
    def sent(self) -> str | None:
        """The sender's `sentAt`, if it is a string."""
        return _text(self.sent_at)


_VALID = [{"$ref": f"#/components/schemas/{name}"} for name in ("WireEvent", "MessageInBatch")]
_MESSAGES = Meta(
    description="The messages, in either format. If no message is valid, the answer is 400.",
    extra_json_schema={"minItems": 1, "maxItems": MAX_MESSAGES, "contains": {"anyOf": _VALID}},
)


class Batch(Envelope, gc=False, rename="camel", kw_only=True):
    """Messages that are sent together, in either format. Each is stored or rejected by itself."""

    batch: Annotated[list[Raw], _MESSAGES]


class Lines(NamedTuple):
    """The messages of newline-delimited JSON, and the numbers of their lines, from 1."""

    messages: list[bytes]
    numbers: list[int]


_envelope_decoder = msgspec.json.Decoder(Envelope)
_batch_decoder = msgspec.json.Decoder(Batch)
_text_decoder = msgspec.json.Decoder(str)
_MARKS = ("user_id", *SEGMENT_KEYS, "batch")
_marks_decoder = msgspec.json.Decoder(
    msgspec.defstruct("_Marks", [(mark, Raw, _absent) for mark in _MARKS])
)


def parse_envelope(text: bytes) -> Envelope:
    """Return the envelope of a single message; an empty one if the text is not an object."""
    try:
        return _envelope_decoder.decode(text)
    except (ValueError, RecursionError):
        return Envelope()


def parse_batch(text: bytes) -> Batch:
    """Return a batch, with each message as its text.

    Raises InvalidInput if the text is not a JSON object with a `batch`, and TooLarge if the batch
    has more than 2,500 messages.
    """
    if text.count(b",") > MANY_COMMAS:
        return _split(text)
    try:
        batch = _decoded_batch(text)
    except InvalidInput as error:
        if error.code == "invalid_batch":
            raise
        return _split(text)  # if one message is malformed, the others are still accepted
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
    """Parse a batch without decoding its messages."""
    from behavstats.decode.json_splitter import split_batch

    split = split_batch(text, MAX_MESSAGES)
    batch = _decoded_batch(split.around)
    batch.batch = [*map(Raw, split.messages)]
    return batch


def parse_lines(text: bytes, *, is_declared: bool = False) -> Lines | None:
    """Return the messages of newline-delimited JSON, one per line; None for any other text.

    A text is newline-delimited JSON if one of its first two lines is a message by itself, or if the
    content type says so (`is_declared`); lines may be malformed. Raises TooLarge if there are more
    than 2,500 lines that are not blank.
    """
    found = islice(_LINE.finditer(text), MAX_MESSAGES + 1)
    first = [*islice(found, 2)]
    if not is_declared and not any(_is_message(line[0]) for line in first):
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
    present = {mark for mark in _MARKS if memoryview(getattr(found, mark)).nbytes}
    return bool(present) and "batch" not in present


def _text(value: Raw) -> str | None:
    """Return the text of a short JSON string; None for anything else."""
    if not 0 < memoryview(value).nbytes <= _LONGEST_TEXT:
        return None
    try:
        return _text_decoder.decode(value)
    except ValueError:
        return None

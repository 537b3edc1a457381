"""Rejected messages as they are stored: each as one line of text, in which keys are hidden."""

import re
from typing import NamedTuple

import msgspec

from behavstats.decode.segment import Arrival
from behavstats.model.line_block import MAX_LINE_BYTES
from behavstats.model.page_view import Rejection

_KEPT_OF_LONG_MESSAGE = 4 * 1024
# Clients put a key into each message. It must not be stored, however malformed the message is.
_NAME = b"writeKey"
_ESCAPE = b"\\u00"  # how a letter of the name may begin
_AS_JSON = b"".join(rb"(?:%c|\\u00(?i:%02x))" % (letter, letter) for letter in _NAME)
_KEY = re.compile(
    rb'("%b"\s*:\s*")(?:[^"\\]++|\\.)*+|(writeKey=)[^&"#\\\s]++' % _AS_JSON, re.DOTALL
)
_HIDDEN = rb"\1\2..."


class Reason(NamedTuple):
    """Why a message was rejected: the code, message and field of an InvalidInput.

    The error itself is not kept: its traceback would keep the texts of all messages in memory.
    """

    code: str
    message: str
    field: str | None


def rejection_of(
    source: str, number: int, text: bytes, reason: Reason, arrival: Arrival
) -> Rejection:
    """Return a rejected message of a source as it is stored; `number` is its line number."""
    line = _one_line(text)
    kept = line[:_KEPT_OF_LONG_MESSAGE] if len(line) > MAX_LINE_BYTES else line
    shown = _KEY.sub(_HIDDEN, kept) if _NAME in kept or _ESCAPE in kept else kept
    length = len(line) - len(kept) + len(shown)
    came = (arrival.instant, arrival.sender)
    return Rejection(source, number, 0, length, reason.code, reason.message, shown, *came)


def _one_line(text: bytes) -> bytes:
    """Return a message as one line, as `ingest` would read it."""
    if b"\n" not in text and b"\r" not in text:
        return text
    try:
        return msgspec.json.format(text, indent=-1)
    except (ValueError, RecursionError):  # it is not JSON, so no JSON string is changed
        return text.replace(b"\r", b" ").replace(b"\n", b" ")

"""Split a batch into its messages if the JSON decoder cannot, or should not, do that.

The decoder rejects a whole batch if one message is nested too deep or is not JSON, and it builds an
object for each of millions of tiny messages before they can be counted. This splitter is slower. It
only looks for brackets and commas outside of strings; whether the parts are JSON is left to the
decoder.
"""

import re
from bisect import bisect
from typing import NamedTuple

import msgspec
import numpy as np

from behavstats.errors import InvalidInput, TooLarge

_AT_ONCE = 64 * 1024  # bytes; the arrays for them take twenty times as much
_MAX_KEYS = 1_000  # of the object, and in the values other than the batch
_KEY = re.compile(rb'\s*("[^"\\]*(?:\\.[^"\\]*)*")\s*:\s*', re.DOTALL)
_BLANKS = b" \t\r\n"

_QUOTE, _COMMA = b'",'
_DEPTH_CHANGES = np.zeros(256, np.int32)
_DEPTH_CHANGES[[*b"{["]] = 1
_DEPTH_CHANGES[[*b"}]"]] = -1


class Split(NamedTuple):
    """The messages of a batch, and the text of the batch without them."""

    messages: list[bytes]
    around: bytes


def split_batch(text: bytes, limit: int) -> Split:
    """Split the text of a batch: an object whose `batch` is an array of messages.

    An object without such an array has no messages. Raises TooLarge if there are more than `limit`
    messages or far too many other keys, and InvalidInput if brackets or quotes are not closed.
    """
    text = text.strip(_BLANKS)
    between_members, between_messages = _commas(text, limit)
    messages: list[bytes] = []
    around: list[bytes] = []
    done = 0
    for begin, end in _spans(between_members, 1, len(text) - 1):
        key = _KEY.match(text, begin, end)
        if key is None or not _is_batch(key[1]):
            continue
        start, stop = key.end(), begin + len(text[begin:end].rstrip(_BLANKS))
        if not (text[start : start + 1] == b"[" and text[stop - 1 : stop] == b"]"):
            continue
        commas = between_messages[bisect(between_messages, start) : bisect(between_messages, stop)]
        spans = _spans(commas, start + 1, stop - 1)
        messages = [text[first:last].strip(_BLANKS) for first, last in spans]
        around += text[done : start + 1], text[stop - 1 : stop]
        done = stop
    if len(messages) > limit:
        raise TooLarge("batch", limit, "messages")
    if messages == [b""]:
        messages = []
    return Split(messages, b"".join([*around, text[done:]]))


def _is_batch(key: bytes) -> bool:
    """Return whether a JSON text is the key `batch`, which may be written with escapes."""
    try:
        return bool(msgspec.json.decode(key) == "batch")
    except ValueError:
        return False


def _spans(commas: list[int], begin: int, end: int) -> list[tuple[int, int]]:
    """Return the start and end of each part between commas."""
    return list(zip([begin, *(comma + 1 for comma in commas)], [*commas, end], strict=True))


def _commas(text: bytes, limit: int) -> tuple[list[int], list[int]]:
    """Return the positions of commas in the outermost object, and of commas one level deeper."""
    members: list[int] = []
    elements: list[int] = []
    depth, quoted, end = 0, np.False_, -1
    without_escapes = text.replace(b"\\\\", b"__").replace(b'\\"', b"__")
    for start in range(0, len(without_escapes), _AT_ONCE):
        codes = np.frombuffer(without_escapes[start : start + _AT_ONCE], np.uint8)
        in_string = np.bitwise_xor.accumulate(codes == _QUOTE) ^ quoted
        depths = depth + np.cumsum(np.where(in_string, 0, _DEPTH_CHANGES[codes]))
        commas = (codes == _COMMA) & ~in_string
        members += (np.flatnonzero(commas & (depths == 1)) + start).tolist()
        elements += (np.flatnonzero(commas & (depths == 2)) + start).tolist()
        if max(len(members), len(elements) - limit) > _MAX_KEYS:
            raise TooLarge("batch", limit, "messages")
        outside = np.flatnonzero(depths <= 0)
        if len(outside):
            end = start + int(outside[0])
            break
        depth, quoted = int(depths[-1]), in_string[-1]
    if end != len(text) - 1:
        message = "this is not JSON: it does not end with the } that closes its first {"
        raise InvalidInput("invalid_json", message)
    return members, elements

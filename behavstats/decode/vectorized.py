"""The fast path: decode blocks of lines in columns, without an object for each page view.

The fast path either accepts a line or leaves it to `decode_event`, which knows every rule and every
error. So an invalid or unusual line does not slow down the other lines.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from behavstats.decode.lines import Lines, decode_lines
from behavstats.decode.timestamps_vectorized import parse_timestamps
from behavstats.decode.wire import Message, WireEvent, may_be_own_format
from behavstats.errors import InvalidInput
from behavstats.model.columns import Instants, Numbering, Numbers, PageViews
from behavstats.model.line_block import Block
from behavstats.model.page_view import (
    MAX_AHEAD,
    MAX_NAME_BYTES,
    MAX_USER_ID_BYTES,
    PageView,
    Rejection,
    check_name,
    check_user_id,
)

_decoder = msgspec.json.Decoder(WireEvent)
_message_decoder = msgspec.json.Decoder(Message)
_LINES_AT_ONCE = 256  # so few that their events are still in the CPU cache when they are read


class Decoded(NamedTuple):
    """The content of a block of lines; `non_page_messages` counts other messages by kind."""

    views: PageViews
    rejections: list[Rejection]
    non_page_messages: Counter[str]


def decode_block(block: Block, now: int) -> Decoded:
    """Decode a block of lines; blank lines are skipped. `now` is in ms since the epoch.

    Returns the same as `decode_lines`, except for the order of the page views. An invalid line is a
    rejection and does not affect other lines.
    """
    lines = [] if block.is_overlong else block.text.removesuffix(b"\n").split(b"\n")
    decoded = _decode(lines, block.text, now, as_message=Message.as_event)
    views, rejections, non_page_messages = Lines([], [], Counter())
    if not lines or not decoded.valid.all():
        remaining = set(np.flatnonzero(~decoded.valid).tolist())
        views, rejections, non_page_messages = decode_lines(block, now, remaining)
    dated = tuple(view for view in views if view.arrival_key)
    if dated:
        views = [view for view in views if not view.arrival_key]
    columns = PageViews(
        dated=dated,
        users=np.append(decoded.users, decoded.user_ids.numbers([view.user_id for view in views])),
        instants=np.append(decoded.instants, np.array([view.instant for view in views], np.int64)),
        pages=np.append(decoded.pages, decoded.names.numbers([view.name for view in views])),
        user_ids=[*decoded.user_ids],
        names=[*decoded.names],
    )
    return Decoded(columns, rejections, non_page_messages)


def decode_fast_path(texts: Sequence[bytes], now: int) -> list[PageView | None]:
    """Return the page views of messages, or None for those that `decode_event` has to decode.

    These are invalid or unusual messages, and those whose time may depend on their arrival. `now`
    is in ms since the epoch.
    """
    decoded = _decode(texts, b"".join(texts), now, as_message=_unless_sent_at)
    user_ids, names = [*decoded.user_ids], [*decoded.names]
    views = map(
        PageView,
        map(user_ids.__getitem__, decoded.users.tolist()),
        decoded.instants.tolist(),
        map(names.__getitem__, decoded.pages.tolist()),
    )
    return [next(views) if valid else None for valid in decoded.valid.tolist()]


def _unless_sent_at(message: Message) -> WireEvent:
    """Return the page view of a message; raises ValueError if its time may need correction."""
    if message.sent_at is not None:
        raise ValueError("the time depends on the arrival")
    return message.as_event()


class _FastPath(NamedTuple):
    """The page views of the texts that the fast path accepts; `valid` marks these texts.

    The columns are those of `PageViews`; `valid` has an element for each text.
    """

    user_ids: Numbering
    names: Numbering
    users: Numbers
    instants: Instants
    pages: Numbers
    valid: NDArray[np.bool_]


_AsEvent = Callable[[Message], WireEvent]


def _decode(texts: Sequence[bytes], together: bytes, now: int, as_message: _AsEvent) -> _FastPath:
    """Decode texts, all of which are in `together`; `now` is in ms since the epoch."""
    user_ids, names = Numbering(), Numbering()
    users, pages = [np.empty(0, np.int32)], [np.empty(0, np.int32)]
    timestamps: list[str] = []
    failed: list[int] = []
    for start in range(0, len(texts), _LINES_AT_ONCE):
        events, indices = _decode_some(texts[start : start + _LINES_AT_ONCE], as_message)
        failed += [start + index for index in indices]
        users.append(user_ids.numbers([event.user_id for event in events]))
        pages.append(names.numbers([event.name for event in events]))
        timestamps += [event.timestamp for event in events]
    valid = np.ones(len(texts), np.bool_)
    valid[failed] = False
    of_users, of_pages = np.concatenate(users), np.concatenate(pages)
    instants = parse_timestamps(timestamps)
    ok = (instants >= 0) & (instants <= now + MAX_AHEAD) & _are_utf8(together, texts)[valid]
    ok &= _are_valid(user_ids, check_user_id, MAX_USER_ID_BYTES)[of_users]
    ok &= _are_valid(names, check_name, MAX_NAME_BYTES)[of_pages]
    valid[valid] = ok
    return _FastPath(user_ids, names, of_users[ok], instants[ok], of_pages[ok], valid)


def _decode_some(texts: Sequence[bytes], as_message: _AsEvent) -> tuple[list[WireEvent], list[int]]:
    """Return the events of texts, and the indices of texts that have no event or are unusual.

    The first text decides on the format; texts in the other format count as unusual.
    """
    # Not `Decoder.decode_lines`, which ends a line at any white space.
    decoded = map(_decoder.decode, texts)
    if not may_be_own_format(texts[0]):
        decoded = map(as_message, map(_message, texts))
    return _results_and_failures(decoded)


def _results_and_failures(results: "map[WireEvent]") -> tuple[list[WireEvent], list[int]]:
    """Return the results of a `map`, and the indices of the items for which it raised an error.

    An exception ends a generator, but not a `map`: its next call continues with the next item. And
    `list.extend` keeps the results before the exception. So everything between two invalid lines
    runs in C, and only invalid lines run Python code.
    """
    events: list[WireEvent] = []
    failed: list[int] = []
    while True:
        try:
            events.extend(results)
        except (ValueError, RecursionError, InvalidInput):
            failed.append(len(events) + len(failed))
        else:
            return events, failed


def _message(text: bytes) -> Message:
    if may_be_own_format(text):
        raise ValueError("this may be our own format")
    return _message_decoder.decode(text)


def _are_utf8(text: bytes, lines: Sequence[bytes]) -> NDArray[np.bool_]:
    """Return which lines are UTF-8; `text` holds all lines.

    The JSON decoder does not check the keys and values that it skips.
    """
    try:
        text.decode()
    except UnicodeDecodeError:
        return np.fromiter(map(_is_utf8, lines), np.bool_, len(lines))
    return np.ones(len(lines), np.bool_)


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _are_valid(
    texts: Collection[str], check: Callable[[str], str], limit: int
) -> NDArray[np.bool_]:
    """Return which texts pass a check; ASCII texts of 1 to `limit` bytes without NUL do."""
    together = "".join(texts)
    lengths = [*map(len, texts)]
    simple = together.isascii() and "\0" not in together
    if simple and min(lengths, default=1) >= 1 and max(lengths, default=1) <= limit:
        return np.ones(len(texts), np.bool_)
    return np.fromiter((_passes(text, check) for text in texts), np.bool_, len(texts))


def _passes(text: str, check: Callable[[str], str]) -> bool:
    try:
        return bool(check(text))
    except InvalidInput:
        return False

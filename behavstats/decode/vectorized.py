"""Page views in columns: blocks of lines decoded without an object for each page view.

This is the fast path. It vouches for a line or leaves it to `events.decode_event`, which knows
every rule and every error; so a bad line, or an unusual one, costs no other line its speed.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from behavstats.decode.lines import Lines, decode_lines
from behavstats.decode.timestamps_vectorized import parse_timestamps
from behavstats.decode.wire import Message, WireEvent, may_be_ours
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
_LINES_AT_ONCE = 256


class Decoded(NamedTuple):
    """What a block of lines holds; `non_page_messages` counts messages of other kinds, by kind."""

    views: PageViews
    rejections: list[Rejection]
    non_page_messages: Counter[str]


def decode_block(block: Block, now: int) -> Decoded:
    """Return what a block of lines comes to; blank lines come to nothing.

    `now` is the clock, in ms. Every line counts for itself: one bad line rejects nothing else. The
    same as `events.decode_lines`, but for the order of the page views.
    """
    lines = [] if block.is_overlong else block.text.removesuffix(b"\n").split(b"\n")
    decoded = _decode(lines, block.text, now, as_message=Message.as_event)
    views, rejections, others = Lines([], [], Counter())
    if not lines or not decoded.good.all():
        doubtful = set(np.flatnonzero(~decoded.good).tolist())
        views, rejections, others = decode_lines(block, now, doubtful)
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
    return Decoded(columns, rejections, others)


def decode_plain(texts: Sequence[bytes], now: int) -> list[PageView | None]:
    """Return the page views of messages, None for each that `events.decode_event` has to look at.

    As that of one which is bad, or depends on how it arrived.
    """
    decoded = _decode(texts, b"".join(texts), now, as_message=_unless_sent_at)
    user_ids, names = [*decoded.user_ids], [*decoded.names]
    views = map(
        PageView,
        map(user_ids.__getitem__, decoded.users.tolist()),
        decoded.instants.tolist(),
        map(names.__getitem__, decoded.pages.tolist()),
    )
    return [next(views) if good else None for good in decoded.good.tolist()]


def _unless_sent_at(message: Message) -> WireEvent:
    """Return a message's page view, unless its clock might have to be corrected."""
    if message.sent_at is not None:
        raise ValueError("to be compared with when it arrived")
    return message.as_event()


class _Good(NamedTuple):
    """The page views of those texts that are vouched for, and which those are."""

    user_ids: Numbering
    names: Numbering
    users: Numbers
    instants: Instants
    pages: Numbers
    good: NDArray[np.bool_]


_AsEvent = Callable[[Message], WireEvent]


def _decode(texts: Sequence[bytes], together: bytes, now: int, as_message: _AsEvent) -> _Good:
    """Decode texts, some hundred at a time: so that what is decoded is met again in the cache."""
    user_ids, names = Numbering(), Numbering()
    users, pages = [np.empty(0, np.int32)], [np.empty(0, np.int32)]
    timestamps: list[str] = []
    bad: list[int] = []
    for start in range(0, len(texts), _LINES_AT_ONCE):
        events, bad_ones = _decode_some(texts[start : start + _LINES_AT_ONCE], as_message)
        bad += [start + number for number in bad_ones]
        users.append(user_ids.numbers([event.user_id for event in events]))
        pages.append(names.numbers([event.name for event in events]))
        timestamps += [event.timestamp for event in events]
    good = np.ones(len(texts), np.bool_)
    good[bad] = False
    of_users, of_pages = np.concatenate(users), np.concatenate(pages)
    instants = parse_timestamps(timestamps)
    vouched = (instants >= 0) & (instants <= now + MAX_AHEAD) & _utf8(together, texts)[good]
    vouched &= _valid(user_ids, check_user_id, MAX_USER_ID_BYTES)[of_users]
    vouched &= _valid(names, check_name, MAX_NAME_BYTES)[of_pages]
    good[good] = vouched
    return _Good(user_ids, names, of_users[vouched], instants[vouched], of_pages[vouched], good)


def _decode_some(texts: Sequence[bytes], as_message: _AsEvent) -> tuple[list[WireEvent], list[int]]:
    """Return the events of those texts that have one, and the numbers of those that have none.

    Those of one of the two formats: the others are left to who looks at each.
    """
    # Not the decoder's own `decode_lines`: to that, any white space is the end of a line.
    decoded = map(_decoder.decode, texts)
    if not may_be_ours(texts[0]):
        decoded = map(as_message, map(_message, texts))
    return _results_and_failures(decoded)


def _results_and_failures(results: "map[WireEvent]") -> tuple[list[WireEvent], list[int]]:
    """Return the results of a `map`, and the indices of the items for which it raised an error.

    An error does not end a `map`, as it would end a generator: asked again, it goes on with the
    next item. `list.extend` keeps the results that came before the error. So the loop runs in C
    from one bad line to the next, and only a bad line costs a step of Python.
    """
    good: list[WireEvent] = []
    failed: list[int] = []
    while True:
        try:
            good.extend(results)
        except (ValueError, RecursionError, InvalidInput):
            failed.append(len(good) + len(failed))
        else:
            return good, failed


def _message(text: bytes) -> Message:
    if may_be_ours(text):
        raise ValueError("not plainly a message")
    return _message_decoder.decode(text)


def _utf8(text: bytes, lines: Sequence[bytes]) -> NDArray[np.bool_]:
    """Return which lines are UTF-8: the JSON decoder passes over bytes of keys that it skips."""
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


def _valid(texts: Collection[str], check: Callable[[str], str], most: int) -> NDArray[np.bool_]:
    """Return which texts pass a check, which ASCII texts of 1 to `most` bytes without NUL do."""
    together = "".join(texts)
    lengths = [*map(len, texts)]
    simple = together.isascii() and "\0" not in together
    if simple and min(lengths, default=1) >= 1 and max(lengths, default=1) <= most:
        return np.ones(len(texts), np.bool_)
    return np.fromiter((_passes(text, check) for text in texts), np.bool_, len(texts))


def _passes(text: str, check: Callable[[str], str]) -> bool:
    try:
        return bool(check(text))
    except InvalidInput:
        return False

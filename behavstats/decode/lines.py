"""Decode blocks of lines one line at a time, and encode page views as lines."""

from collections import Counter
from collections.abc import Container, Iterable
from typing import NamedTuple

import msgspec

from behavstats.decode.event import decode_event
from behavstats.decode.wire import WireEvent
from behavstats.errors import InvalidInput
from behavstats.model.line_block import BYTE_ORDER_MARK, MAX_LINE_BYTES, Block
from behavstats.model.page_view import PageView, Rejection
from behavstats.model.timestamps import format_instant

_encoder = msgspec.json.Encoder()


class Lines(NamedTuple):
    """The content of a block of lines; `non_page_messages` counts other messages by kind."""

    views: list[PageView]
    rejections: list[Rejection]
    non_page_messages: Counter[str]


def decode_lines(block: Block, now: int, chosen: Container[int] | None = None) -> Lines:
    """Decode a block of lines; blank lines are skipped. `now` is in ms since the epoch.

    If `chosen` is given, only these lines are decoded; 0 is the first line of the block. A
    byte-order mark before a line is skipped: concatenated files may have one anywhere. An invalid
    line is a rejection and does not affect other lines.
    """
    views: list[PageView] = []
    rejections: list[Rejection] = []
    non_page_messages = Counter[str]()
    if block.is_overlong:
        return Lines(views, [_overlong(block, now)], non_page_messages)
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
                    non_page_messages[event.kind] += 1
        offset += len(line) + 1
    return Lines(views, rejections, non_page_messages)


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

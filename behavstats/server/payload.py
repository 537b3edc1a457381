"""The payload of a request: page views, rejected messages, and counts of other messages."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Raw

from behavstats.decode.event import decode_event
from behavstats.decode.segment import Arrival, Other
from behavstats.errors import InvalidInput
from behavstats.model.line_block import MAX_LINE_BYTES
from behavstats.model.page_view import PageView, Rejection
from behavstats.server.messages import MANY_COMMAS
from behavstats.server.rejection import Reason, rejection_of

_FEWEST_FOR_FAST_PATH = 20  # messages; fewer are decoded faster one by one
_MEMORY_PER_MESSAGE = 600  # bytes of memory that a message takes in addition to its text


class Payload(NamedTuple):
    """The contents of a request; `non_page_messages` counts messages of other kinds, by kind.

    `reason` says why the first message was rejected, if no message is valid. `size` is about how
    many bytes of memory the payload takes until it is stored.
    """

    views: list[PageView]
    rejections: list[Rejection]
    non_page_messages: Counter[str]
    reason: Reason | None = None
    size: int = 0

    @property
    def is_to_be_stored(self) -> bool:
        """Whether the payload has page views or rejected messages."""
        return bool(self.views or self.rejections)

    @property
    def error(self) -> InvalidInput | None:
        """The error to answer with, if no message is valid."""
        return None if self.reason is None else InvalidInput(*self.reason)


def parse_payload(
    source: str,
    messages: Sequence[Raw | bytes],
    arrival: Arrival,
    numbers: Sequence[int] | None = None,
) -> Payload:
    """Decode messages one by one; an invalid one becomes a rejected line of the source.

    `numbers` are the line numbers of the messages; by default, they count from 1.
    """
    views: list[PageView] = []
    rejections: list[Rejection] = []
    non_page_messages = Counter[str]()
    first: Reason | None = None
    texts = [*map(bytes, messages)]
    fast = _decode_fast_path(texts, arrival)
    for number, text in enumerate(texts, start=1):
        try:
            event = fast[number - 1] or _decode(text, arrival)
        except InvalidInput as error:
            reason = Reason(error.code, str(error), error.field)
            line = numbers[number - 1] if numbers else number
            rejections.append(rejection_of(source, line, text, reason, arrival))
            first = first or reason
        else:
            if isinstance(event, PageView):
                views.append(event)
            else:
                non_page_messages[event.kind] += 1
    return Payload(
        views,
        rejections,
        non_page_messages,
        reason=None if views or non_page_messages else first,
        size=sum(map(len, texts)) + _MEMORY_PER_MESSAGE * len(texts),
    )


def _decode_fast_path(texts: list[bytes], arrival: Arrival) -> Sequence[PageView | None]:
    """Return the page views of the messages that the fast path decodes; None for the others."""
    is_eligible = len(texts) >= _FEWEST_FOR_FAST_PATH and not (arrival.behind or arrival.kind)
    if not is_eligible or max(map(len, texts)) > MAX_LINE_BYTES:
        return [None] * len(texts)
    from behavstats.decode.vectorized import decode_fast_path  # it imports NumPy

    return decode_fast_path(texts, arrival.instant)


def _decode(text: bytes, arrival: Arrival) -> PageView | Other:
    if len(text) > MAX_LINE_BYTES and text.count(b",") > MANY_COMMAS:
        message = f"the message has over {MANY_COMMAS:,} values"
        raise InvalidInput("message_too_large", message)
    return decode_event(text, arrival.instant, arrival)

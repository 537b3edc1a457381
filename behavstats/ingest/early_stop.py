"""Sources in which no line can be read, like a CSV: stopped before all of it is rejected."""

from collections.abc import Iterable, Iterator

from behavstats.decode.event import decode_event
from behavstats.errors import InvalidInput, SourceError
from behavstats.model.line_block import Block
from behavstats.model.timestamps import DAY

_FIRST = 1_000  # lines
_NOW = 366 * 10_000 * DAY  # later than any timestamp: whose clock is right, is not the question


class Hopeless(SourceError):
    """The first lines of a source were all rejected."""

    def __init__(self, name: str, lines: int, reason: InvalidInput | None) -> None:
        why = f" (line 1: {reason})" if reason is not None else ""
        message = f"{name}: the first {lines:,} lines were all rejected{why}; it was not read on"
        super().__init__(f"{message}, which --force would do")


def stop_early(name: str, blocks: Iterable[Block]) -> Iterator[Block]:
    """Yield the blocks of a source; where all of its first thousand lines are bad, these alone.

    Then raises Hopeless. Blank lines do not count; what is ahead of the clock is not bad.
    """
    doubt = _Doubt()
    for block in blocks:
        end = doubt.end_of_hope(block)
        if end is None:
            yield block
            continue
        yield block if block.is_overlong else block._replace(text=block.text[:end], length=end)
        raise Hopeless(name, _FIRST, doubt.reason)


class _Doubt:
    """Counts lines until one of them is good; `reason` says what is wrong with the first."""

    def __init__(self) -> None:
        self.reason: InvalidInput | None = None
        self._rejected = 0
        self._is_over = False

    def end_of_hope(self, block: Block) -> int | None:
        """Return up to which byte of the block to read, if no more is to be."""
        if self._is_over:
            return None
        if block.is_overlong:
            self._rejected += 1
            return 0 if self._rejected >= _FIRST else None
        start = 0
        while start < len(block.text) and not self._is_over:
            end = block.text.find(b"\n", start) + 1 or len(block.text)
            self._look_at(block.text[start:end].removesuffix(b"\n").removesuffix(b"\r"))
            if self._rejected >= _FIRST:
                return end
            start = end
        return None

    def _look_at(self, line: bytes) -> None:
        if not line.strip(b" \t"):
            return
        try:
            decode_event(line, _NOW)
        except InvalidInput as error:
            self._rejected += 1
            self.reason = self.reason or InvalidInput(error.code, str(error))
        else:
            self._is_over = True

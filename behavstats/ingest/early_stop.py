"""Stop reading a source that has no valid line, such as a CSV, instead of rejecting all of it."""

from collections.abc import Iterable, Iterator

from behavstats.decode.event import decode_event
from behavstats.errors import InvalidInput, SourceError
from behavstats.model.line_block import Block
from behavstats.model.timestamps import DAY

_FIRST = 1_000  # lines
_NOW = 366 * 10_000 * DAY  # later than any timestamp, so that no line is ahead of the clock


class NoValidLine(SourceError):
    """The first lines of a source were all rejected, so the rest was not read."""

    def __init__(self, name: str, lines: int, reason: InvalidInput | None) -> None:
        why = f" (the first one: {reason})" if reason is not None else ""
        message = f"{name}: the first {lines:,} lines were all rejected{why}"
        super().__init__(f"{message}; the rest was not read (--force reads it)")


def stop_early(name: str, blocks: Iterable[Block]) -> Iterator[Block]:
    """Yield the blocks of a source; stop if its first thousand lines are all invalid.

    Then these lines are yielded, and NoValidLine is raised. Blank lines do not count, and a page
    view that is ahead of the clock is valid.
    """
    first_lines = _FirstLines()
    for block in blocks:
        end = first_lines.end(block)
        if end is None:
            yield block
            continue
        yield block if block.is_overlong else block._replace(text=block.text[:end], length=end)
        raise NoValidLine(name, _FIRST, first_lines.reason)


class _FirstLines:
    """Counts invalid lines until there is a valid one; `reason` is the error of the first line."""

    def __init__(self) -> None:
        self.reason: InvalidInput | None = None
        self._rejected = 0
        self._has_valid_line = False

    def end(self, block: Block) -> int | None:
        """Return the byte of the block at which to stop reading the source, or None to continue."""
        if self._has_valid_line:
            return None
        if block.is_overlong:
            self._rejected += 1
            return 0 if self._rejected >= _FIRST else None
        start = 0
        while start < len(block.text) and not self._has_valid_line:
            end = block.text.find(b"\n", start) + 1 or len(block.text)
            self._check(block.text[start:end].removesuffix(b"\n").removesuffix(b"\r"))
            if self._rejected >= _FIRST:
                return end
            start = end
        return None

    def _check(self, line: bytes) -> None:
        if not line.strip(b" \t"):
            return
        try:
            decode_event(line, _NOW)
        except InvalidInput as error:
            self._rejected += 1
            self.reason = self.reason or InvalidInput(error.code, str(error))
        else:
            self._has_valid_line = True

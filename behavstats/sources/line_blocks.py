"""Cut the content of a source into blocks of whole lines, bounded in bytes and lines."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from behavstats.errors import SourceError
from behavstats.model.line_block import BYTE_ORDER_MARK, MAX_LINE_BYTES, Block

_BLOCK_BYTES = 2 * 1024 * 1024
_BLOCK_LINES = 100_000
_KEPT_OF_OVERLONG_LINE = 4 * 1024


def blocks_of(
    name: str, pieces: Iterable[bytes], line: int = 1, offset: int = 0
) -> Iterator[Block]:
    """Yield blocks of whole lines from `pieces`, the bytes of a source in any chunks.

    `line` and `offset` (bytes) are the position of the first piece in the source. An empty piece
    means that the source pauses; the lines before the pause are then followed by an empty block. An
    over-long line is a block of its own; its newline begins the next block. If `pieces` raises
    SourceError, the whole lines before the error are yielded first.
    """
    return _numbered(name, _runs_of_lines(pieces), line, offset)


class _Run(NamedTuple):
    """A run of whole lines, or the beginning of an over-long line.

    `newlines` counts the newlines in `text`; `length` is the number of bytes in the source.
    """

    text: bytes
    newlines: int
    length: int


def _runs_of_lines(pieces: Iterable[bytes]) -> Iterator[_Run]:
    """Yield runs of whole lines; only the beginning of an over-long line is held in memory."""
    lines: list[bytes] = []
    # The line whose end has not been read yet: its beginning, and its length so far. Only this line
    # can be over-long, since a line within one chunk is shorter than the limit.
    begun, length = bytearray(), 0
    try:
        for chunk in pieces:
            if not chunk:
                yield from _bounded(lines)
                yield _Run(b"", 0, 0)
                lines = []
                continue
            end = chunk.find(b"\n") + 1
            begun += (chunk[:end] if end else chunk)[: MAX_LINE_BYTES + 1 - len(begun)]
            length += end or len(chunk)
            if not end:
                continue
            last = chunk.rfind(b"\n") + 1
            if length > MAX_LINE_BYTES + 1:
                yield from _bounded(lines)
                yield _Run(bytes(begun[:_KEPT_OF_OVERLONG_LINE]), 0, length - 1)
                lines = [chunk[end - 1 : last]]  # the newline belongs to the next run
            else:
                lines += (bytes(begun), chunk[end:last])
            begun, length = bytearray(chunk[last:]), len(chunk) - last
            if sum(map(len, lines)) >= _BLOCK_BYTES:
                yield from _bounded(lines)
                lines = []
    except SourceError:
        yield from _bounded(lines)
        raise
    if length > MAX_LINE_BYTES:
        yield from _bounded(lines)
        yield _Run(bytes(begun[:_KEPT_OF_OVERLONG_LINE]), 0, length)
    else:
        yield from _bounded([*lines, bytes(begun)])


def _bounded(lines: list[bytes]) -> Iterator[_Run]:
    """Join lines to a run, and halve the run as long as it has too many lines.

    Lines may be two bytes long, so a run that is bounded in bytes can still hold a million lines.
    """
    waiting = [b"".join(lines)]
    while waiting:
        run = waiting.pop()
        newlines = run.count(b"\n")
        if newlines <= _BLOCK_LINES:
            if run:
                yield _Run(run, newlines, len(run))
            continue
        half = len(run) // 2
        cut = (run.rfind(b"\n", 0, half) if b"\n" in run[:half] else run.find(b"\n")) + 1
        waiting += (run[cut:], run[:cut])


def _numbered(source: str, runs: Iterator[_Run], line: int, offset: int) -> Iterator[Block]:
    """Yield runs as blocks with their position in the source; leave out its byte-order mark."""
    for text, newlines, length in runs:
        marked = offset == 0 and text.startswith(BYTE_ORDER_MARK)
        mark = len(BYTE_ORDER_MARK) if marked else 0
        yield Block(source, line, offset + mark, text[mark:], length - mark)
        line += newlines
        offset += length

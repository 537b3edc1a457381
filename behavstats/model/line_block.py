"""A block of lines: whole lines of one source that stand together."""

from typing import NamedTuple

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
MAX_LINE_BYTES = 1024 * 1024


class Block(NamedTuple):
    """Whole lines of one source that stand together.

    `line` and `offset` (bytes, decompressed) say where the first of them stands, `length` how many
    bytes they span there. Of a line over `MAX_LINE_BYTES`, which is a block of its own, `text` is
    only the beginning; everywhere else `length` is that of `text`.
    """

    source: str
    line: int
    offset: int
    text: bytes
    length: int

    @property
    def is_overlong(self) -> bool:
        """Whether this is one line that is longer than a page view may be."""
        return self.length > len(self.text)

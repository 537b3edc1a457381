"""A block of lines: the unit that sources yield and decoders decode."""

from typing import NamedTuple

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
MAX_LINE_BYTES = 1024 * 1024
"""The limit for a line, without its newline."""


class Block(NamedTuple):
    """Consecutive whole lines of one source.

    `line` (from 1) and `offset` (bytes, decompressed) are the position of the first line; `length`
    is the number of bytes that the lines take in the source. An over-long line (over
    `MAX_LINE_BYTES`) is a block of its own, and `text` is only its beginning; otherwise `length` is
    `len(text)`.
    """

    source: str
    line: int
    offset: int
    text: bytes
    length: int

    @property
    def is_overlong(self) -> bool:
        """Whether this is a single line over `MAX_LINE_BYTES`."""
        return self.length > len(self.text)

"""Sources: a path or standard input, plain or compressed, as blocks of whole lines."""

import io
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import BinaryIO, cast

from behavstats.errors import SourceError
from behavstats.model.line_block import Block
from behavstats.sources.compression import (
    CHUNK_BYTES,
    chunks,
    decompressed,
    never,
    unreadable,
)
from behavstats.sources.counted_stream import CountedStream
from behavstats.sources.file_type import only_text
from behavstats.sources.line_blocks import blocks_of

STANDARD_INPUT = "-"

_NULS = bytes(CHUNK_BYTES)


class Source:
    """An open source; `name` is its absolute path, or `-`."""

    def __init__(self, name: str, stream: CountedStream) -> None:
        """Do not call; see `open_source`."""
        self.name = name
        self._stream = stream

    @property
    def position(self) -> int:
        """How many bytes were read so far, as they are stored (compressed, if they are)."""
        return self._stream.position

    def blocks(self) -> Iterator[Block]:
        """Yield the lines in blocks, bounded in bytes and lines; an over-long line stands alone.

        NULs at the beginning are skipped: they are left where a log was truncated under a program
        that goes on writing at its offset. Where a pipe pauses, an empty block follows the lines
        that came: time to deal with them.
        Raises SourceError where the rest cannot be read, after the whole lines before that; NoText
        at once where it is no text.
        """
        stored = cast(BinaryIO, io.BufferedReader(self._stream, CHUNK_BYTES))
        plain = decompressed(stored, self._stream.beginning)
        pauses = self._stream.pauses if plain is stored else never
        pieces = _Trimmed(chunks(self.name, plain, pauses))
        for block in blocks_of(self.name, only_text(self.name, pieces)):
            yield block._replace(offset=block.offset + pieces.nuls)


def stored_name(path: str) -> str:
    """Return a path as the store has it: absolute, and UTF-8 even if it is not."""
    return os.fsencode(os.path.abspath(path)).decode(errors="backslashreplace")


def size_of(path: str) -> int | None:
    """Return the bytes that are stored at a path, or None if that cannot be known (a pipe, `-`).

    Raises SourceError if there is nothing that can be opened; without opening it.
    """
    if path == STANDARD_INPUT:
        return None
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None
    if stat.S_ISDIR(status.st_mode):
        raise SourceError(f"{path}: is a folder")
    if not os.access(path, os.R_OK):
        raise SourceError(f"{path}: permission denied")
    return status.st_size if stat.S_ISREG(status.st_mode) else None


@contextmanager
def open_source(path: str) -> Iterator[Source]:
    """Open a file, or standard input for `-`; SourceError if that is not possible."""
    with ExitStack() as stack:
        size_of(path)
        try:
            if path == STANDARD_INPUT:
                name, file = STANDARD_INPUT, _standard_input()
            else:
                name = stored_name(path)
                file = stack.enter_context(open(path, "rb", buffering=0))
            stream = CountedStream(file)
        except OSError as error:
            raise unreadable(path, error) from None
        yield Source(name, stream)


def _standard_input() -> io.FileIO:
    if sys.stdin is None:
        raise SourceError("-: standard input is closed")
    os.set_blocking(sys.stdin.fileno(), True)  # as it is, unless who started us left it otherwise
    return open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)


class _Trimmed:
    """Pieces without the NULs that they begin with; `nuls` says how many those were."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.nuls = 0
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        has_begun = False
        for piece in self._pieces:
            nuls = 0 if has_begun else leading_nuls(piece)
            self.nuls += nuls
            has_begun |= nuls < len(piece)
            if nuls < len(piece) or not piece:  # nothing at all would be a pause
                yield piece[nuls:]


def leading_nuls(piece: bytes) -> int:
    """Return how many NULs a piece of `CHUNK_BYTES` at most begins with."""
    if piece == _NULS[: len(piece)]:  # thousands of times as fast as to look for their end
        return len(piece)
    return len(piece) - len(piece.lstrip(b"\0"))

"""Read a file or standard input, plain or compressed, as blocks of whole lines."""

import io
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import BinaryIO, cast

from behavstats.errors import SourceError
from behavstats.model.line_block import Block
from behavstats.sources.compression import CHUNK_BYTES, chunks, decompressed, never, unreadable
from behavstats.sources.counted_stream import CountedStream
from behavstats.sources.file_type import only_text
from behavstats.sources.line_blocks import blocks_of

STANDARD_INPUT = "-"

_NULS = bytes(CHUNK_BYTES)


class Source:
    """An open source, from `open_source`; `name` is its absolute path, or `-`."""

    def __init__(self, name: str, stream: CountedStream) -> None:
        self.name = name
        self._stream = stream

    @property
    def position(self) -> int:
        """The number of bytes read so far, before they are decompressed."""
        return self._stream.position

    def blocks(self) -> Iterator[Block]:
        """Yield the lines in blocks; see `blocks_of`.

        NULs at the beginning are skipped: they appear if a log is truncated while a program keeps
        writing at its old offset. When a pipe pauses, an empty block follows the lines so far, so
        that the caller can store them.

        Raises NoText at once if the source is not text. If the source cannot be read to its end,
        yields the whole lines before the error, then raises SourceError.
        """
        stored = cast(BinaryIO, io.BufferedReader(self._stream, CHUNK_BYTES))
        plain = decompressed(stored, self._stream.beginning)
        pauses = self._stream.pauses if plain is stored else never
        pieces = _Trimmed(chunks(self.name, plain, pauses))
        for block in blocks_of(self.name, only_text(self.name, pieces)):
            yield block._replace(offset=block.offset + pieces.nuls)


def stored_name(path: str) -> str:
    """Return the name of a path in the store: absolute, with bytes that are not UTF-8 escaped."""
    return os.fsencode(os.path.abspath(path)).decode(errors="backslashreplace")


def size_of(path: str) -> int | None:
    """Return the size of a file in bytes, or None for a pipe or `-`, which have no size.

    Raises SourceError if the file at the path cannot be read; finds this out without opening it.
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
    """Open a file, or standard input for `-`; raises SourceError if that is not possible."""
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
    os.set_blocking(sys.stdin.fileno(), True)  # the parent process may have changed it
    return open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)


class _Trimmed:
    """Pieces without the NULs at their beginning; `nuls` is the number of NULs skipped."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.nuls = 0
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        has_begun = False
        for piece in self._pieces:
            nuls = 0 if has_begun else leading_nuls(piece)
            self.nuls += nuls
            has_begun |= nuls < len(piece)
            if nuls < len(piece) or not piece:  # an empty piece means a pause
                yield piece[nuls:]


def leading_nuls(piece: bytes) -> int:
    """Return the number of NULs at the beginning of a piece of at most `CHUNK_BYTES`."""
    if piece == _NULS[: len(piece)]:  # thousands of times faster than lstrip
        return len(piece)
    return len(piece) - len(piece.lstrip(b"\0"))

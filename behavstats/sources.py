"""Sources: a path or standard input, plain or compressed, as blocks of whole lines."""

import gzip
import io
import os
import select
import stat
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import BinaryIO, NamedTuple, cast

from behavstats.errors import SourceError
from behavstats.magic import only_text
from behavstats.model.line_block import BYTE_ORDER_MARK, MAX_LINE_BYTES, Block

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

STANDARD_INPUT = "-"

CHUNK_BYTES = 1024 * 1024
"""What is read of a source at once, at most."""
MAGIC_BYTES = 4
"""So many bytes tell how a source is compressed."""

_BLOCK_BYTES = 2 * 1024 * 1024
_BLOCK_LINES = 100_000
_PAUSE = 0.5  # seconds for which a pipe gives nothing
_LONGEST_RUN = 2.0  # seconds of a pipe that does not pause
_KEPT_OF_OVERLONG_LINE = 4 * 1024
_NULS = bytes(CHUNK_BYTES)

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE = [bytes([number, 0x2A, 0x4D, 0x18]) for number in range(0x50, 0x60)]
DAMAGE = (EOFError, gzip.BadGzipFile, zlib.error, zstd.ZstdError)
"""What decompressing raises where the data is cut short or broken."""


class Source:
    """An open source; `name` is its absolute path, or `-`."""

    def __init__(self, name: str, stream: "_CountedStream") -> None:
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
        pauses = self._stream.pauses if plain is stored else _never
        pieces = _Trimmed(chunks(self.name, plain, pauses))
        for block in blocks_of(self.name, only_text(self.name, pieces)):
            yield block._replace(offset=block.offset + pieces.nuls)


def blocks_of(
    name: str, pieces: Iterable[bytes], line: int = 1, offset: int = 0
) -> Iterator[Block]:
    """Yield the lines that stand at an offset of a source, which comes in pieces, in blocks.

    Bounded in bytes and lines; an over-long line stands alone, and its newline begins what follows.
    """
    return _numbered(name, _runs_of_lines(pieces), line, offset)


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
            stream = _CountedStream(file)
        except OSError as error:
            raise unreadable(path, error) from None
        yield Source(name, stream)


def _standard_input() -> io.FileIO:
    if sys.stdin is None:
        raise SourceError("-: standard input is closed")
    os.set_blocking(sys.stdin.fileno(), True)  # as it is, unless who started us left it otherwise
    return open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)


class _CountedStream(io.RawIOBase):
    """A stream whose first bytes can be looked at, also in a pipe, and that counts its bytes."""

    def __init__(self, file: io.FileIO) -> None:
        self._file = file
        self._waits = not stat.S_ISREG(os.fstat(file.fileno()).st_mode)
        self._paused = time.monotonic()
        self.beginning = file.read(MAGIC_BYTES)
        while 0 < len(self.beginning) < MAGIC_BYTES and (more := file.read(1)):
            self.beginning += more
        self._unread = self.beginning
        self.position = 0

    def pauses(self) -> bool:
        """Wait for more; say whether it takes so long that what came should be dealt with first.

        Never in a file on a disk; in a pipe, also if it goes on and on.
        """
        if not self._waits or self._unread:
            return False
        (ready, _, _) = select.select([self._file], [], [], _PAUSE)
        if ready and time.monotonic() < self._paused + _LONGEST_RUN:
            return False
        self._paused = time.monotonic()
        return True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._unread:
            length = len(self._unread)
            buffer[:length], self._unread = self._unread, b""
        else:
            length = self._file.readinto(buffer)
        self.position += length
        return length


def _never() -> bool:
    return False


def decompressed(stored: BinaryIO, beginning: bytes) -> BinaryIO:
    """Tell by its first bytes how a stream is compressed, and return what it holds."""
    if beginning.startswith(_GZIP):
        return cast(BinaryIO, gzip.GzipFile(fileobj=stored))
    if beginning in (_ZSTD, *_ZSTD_SKIPPABLE):
        return cast(BinaryIO, zstd.ZstdFile(stored))
    return stored


def chunks(name: str, stream: BinaryIO, pauses: Callable[[], bool] = _never) -> Iterator[bytes]:
    """Yield what can be read, at most 1 MiB at once; then SourceError if that is not all.

    Yields nothing, `b""`, where the stream pauses.
    """
    try:
        while True:
            if pauses():
                yield b""
            # Not read(): what it has collected is lost if it meets the damage.
            chunk = stream.read1(CHUNK_BYTES)  # type: ignore[attr-defined]
            if not chunk:
                return
            yield chunk
    except DAMAGE as error:
        raise damaged(name, error) from None
    except OSError as error:
        raise unreadable(name, error) from None


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


class _Run(NamedTuple):
    """Whole lines, or the beginning of an over-long one; how many newlines, and how many bytes."""

    text: bytes
    newlines: int
    length: int


def _runs_of_lines(pieces: Iterable[bytes]) -> Iterator[_Run]:
    """Yield runs of whole lines; of an over-long line, only the beginning is ever held."""
    lines: list[bytes] = []
    # The line whose end was not met yet: its beginning, and its length so far. A line that lies
    # within one chunk is not over-long, so that this is the only one to look at.
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
                lines = [chunk[end - 1 : last]]  # its newline goes with the next run
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
    """Join runs of lines, and halve what has too many of them: millions may be two bytes long."""
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
    for text, newlines, length in runs:
        marked = offset == 0 and text.startswith(BYTE_ORDER_MARK)
        mark = len(BYTE_ORDER_MARK) if marked else 0
        yield Block(source, line, offset + mark, text[mark:], length - mark)
        line += newlines
        offset += length


def damaged(name: str, error: Exception) -> SourceError:
    """Return what an error of decompressing means for a source."""
    return SourceError(f"{name}: cannot be decompressed to its end ({error})")


def unreadable(name: str, error: Exception) -> SourceError:
    """Return what an error of the operating system means for a source."""
    reason = getattr(error, "strerror", None) or error
    return SourceError(f"{name}: {reason}")

"""One file that is followed: whether it is still what it was, and the lines in it that are new.

A file is known by device, inode and a fingerprint of its beginning; before more of it is taken, the
bytes just before the offset are compared, too. What was read counts only if the file still is the
same afterwards: it may be truncated, and written anew, at any instant.
"""

import errno
import io
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import BinaryIO, NamedTuple, Self, cast

from behavstats.errors import SourceError
from behavstats.model.line_block import BYTE_ORDER_MARK, Block
from behavstats.sources.compression import (
    CHUNK_BYTES,
    DAMAGE,
    MAGIC_BYTES,
    chunks,
    damaged,
    decompressed,
    unreadable,
)
from behavstats.sources.file_type import LONGEST, NoText, kind_of
from behavstats.sources.files import leading_nuls, stored_name
from behavstats.sources.line_blocks import blocks_of
from behavstats.store import Checkpoint, OffsetUpdate, SourceOffset

FINGERPRINT_BYTES = 1024
"""Of the beginning, and of what stands before an offset, so many bytes are compared at most."""

_ESCAPED = "\\x"  # in the name that the store has of a file whose own is not UTF-8

START = Checkpoint(offset=0, lines=0, prefix=b"", suffix=b"", suffix_length=0)
"""Where a file is taken from that is not known."""

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class Ends(NamedTuple):
    """The bytes by which a content is known again: of its beginning, and before a checkpoint."""

    head: bytes
    tail: bytes


class Taken(NamedTuple):
    """Whole lines of a file, and the checkpoint behind them."""

    block: Block
    checkpoint: Checkpoint


class Content:
    """What a regular file holds, decompressed if it is compressed; offsets are in that."""

    def __init__(self, path: str, file: io.FileIO) -> None:
        """Do not call; see `opened`."""
        self.name = stored_name(path)
        self._descriptor = file.fileno()
        status = os.fstat(self._descriptor)
        check_regular(path, status)
        self.file = (status.st_dev, status.st_ino)
        self.modified = status.st_mtime_ns
        stored = cast(BinaryIO, io.BufferedReader(file, CHUNK_BYTES))
        beginning = os.pread(self._descriptor, MAGIC_BYTES, 0)
        self._stream = decompressed(stored, beginning)
        self.is_compressed = self._stream is not stored
        self.size = status.st_size
        """In bytes; of a compressed content, after `measure`."""

    def check_text(self) -> None:
        """Raise NoText if this is something else than text."""
        kind = kind_of(self.read(self.nuls, LONGEST))
        if kind is not None:
            raise NoText(self.name, kind)

    def measure(self) -> None:
        """Read a compressed content to its end; SourceError if it is not complete."""
        self.size = self._stream.seek(0, os.SEEK_END)

    def read(self, offset: int, length: int) -> bytes:
        """Return some bytes, fewer if the content ends before."""
        if not self.is_compressed:
            return os.pread(self._descriptor, length, offset)
        self._stream.seek(offset)
        return self._stream.read(length)

    @cached_property
    def nuls(self) -> int:
        """How many NULs the content begins with, which are no part of it.

        Those of a hole are not read: it may be as large as a disk.
        """
        offset = self._data_from(0)
        while piece := self.read(offset, CHUNK_BYTES):
            nuls = leading_nuls(piece)
            if nuls < len(piece):
                return offset + nuls
            offset = self._data_from(offset + nuls)
        return offset

    def ends(self, checkpoint: Checkpoint) -> Ends | None:
        """Return the ends of what was taken up to a checkpoint; None if this is something else."""
        if not checkpoint.offset:
            return Ends(b"", b"")
        length = checkpoint.suffix_length
        head = self.read(self.nuls, max(0, min(checkpoint.offset - self.nuls, FINGERPRINT_BYTES)))
        tail = self.read(checkpoint.offset - length, length)
        known = Ends(head, tail)
        return known if _marks(known) == checkpoint[2:] else None

    def heads(self) -> list[bytes]:
        """Return the fingerprints that this content has, or had while it was shorter."""
        head = self.read(self.nuls, FINGERPRINT_BYTES)
        return [digest(head[: 1 << power]) for power in range(len(head).bit_length())]

    def has_newline(self, offset: int) -> bool:
        """Return whether a line ends behind an offset."""
        while piece := self.read(self._data_from(offset), CHUNK_BYTES):
            if b"\n" in piece:
                return True
            offset = self._data_from(offset) + len(piece)
        return False

    def lines(self, checkpoint: Checkpoint, ends: Ends, *, is_ended: bool) -> Iterator[Taken]:
        """Yield the whole lines behind a checkpoint, as far as the file is the same meanwhile.

        `is_ended` says that the last line is whole even if it has no newline.
        """
        checkpoint = checkpoint._replace(offset=checkpoint.offset or self.nuls)
        pieces = self._pieces(checkpoint.offset)
        blocks = blocks_of(self.name, pieces, checkpoint.lines + 1, checkpoint.offset)
        for block in _whole_lines(blocks, is_ended=is_ended):
            checkpoint, ends = _behind(block, checkpoint, ends)
            if not self.is_compressed and self.ends(checkpoint) is None:
                return
            yield Taken(block, checkpoint)

    def _data_from(self, offset: int) -> int:
        """Return where the file goes on behind a hole, if there is one at an offset."""
        if self.is_compressed:
            return offset
        try:
            return os.lseek(self._descriptor, offset, os.SEEK_DATA)
        except OSError as error:  # a hole up to the end; or nobody can tell
            end = os.fstat(self._descriptor).st_size
            return max(offset, end) if error.errno == errno.ENXIO else offset

    def _pieces(self, offset: int) -> Iterator[bytes]:
        if self.is_compressed:
            self._stream.seek(offset)
            yield from chunks(self.name, self._stream)
            return
        while piece := self.read(offset, min(CHUNK_BYTES, max(0, self.size - offset))):
            yield piece
            offset += len(piece)


@dataclass(slots=True, eq=False)
class Followed:
    """A file in a round: `stored`, `decoded` and `read` say up to where it is each of that."""

    name: str
    file: tuple[int, int]
    stored: int | None
    decoded: Checkpoint
    read: Checkpoint
    rejected: int = 0
    size: int = 0
    modified: int | None = None
    is_again: bool = False
    anew: int | None = None

    def step(self, now: int) -> OffsetUpdate:
        """Return what the store is to note, at an instant in ms."""
        place = (self.name, *self.file, self.stored)
        modified = self.modified if self.decoded.offset == self.size else None
        again = (self.is_again, self.anew)
        return OffsetUpdate(*place, self.decoded, self.rejected, self.size, modified, now, *again)


class Searched(NamedTuple):
    """Up to where the line at an offset was found to have no end; the fingerprint before that."""

    start: int
    end: int
    tail: bytes

    @classmethod
    def up_to(cls, content: Content, start: int, end: int) -> Self:
        """Return this of a content as it is now."""
        length = min(end - start, FINGERPRINT_BYTES)
        return cls(start, end, digest(content.read(end - length, length)))

    def is_in(self, content: Content, start: int) -> bool:
        """Return whether a content still has it, of the line at an offset."""
        return self.start == start and self == self.up_to(content, start, self.end)


@contextmanager
def opened(path: str) -> Iterator[Content]:
    """Open a regular file; SourceError if it is none, or cannot be read."""
    with ExitStack() as stack:
        try:
            # A pipe that has taken the place of a file must not keep us waiting for a writer.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            content = Content(path, stack.enter_context(open(descriptor, "rb", buffering=0)))
        except (OSError, ValueError) as error:
            raise unreadable(path, error) from None
        try:
            yield content
        except DAMAGE as error:
            raise damaged(path, error) from None
        except OSError as error:
            raise unreadable(path, error) from None


def check_regular(path: str, status: os.stat_result) -> None:
    """Raise SourceError unless this is a regular file, which alone can be followed."""
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "no regular file")
        raise SourceError(f"{path}: is {kind}, which cannot be followed")


def up_to_date(progress: SourceOffset) -> SourceOffset:
    """Return the progress of a file with the size that this has now, if that can be told.

    Where another file, or none, has its name by now, nothing more of it can be taken under that: it
    is shown as one that is gone.
    """
    name = progress.name
    if name is None or _ESCAPED in name:
        return progress
    try:
        with opened(name) as content:
            if content.file == (progress.device, progress.inode):
                return progress if content.is_compressed else progress._replace(size=content.size)
    except SourceError:
        if os.path.lexists(name):
            return progress
    return progress._replace(device=None, inode=None, size=progress.checkpoint.offset)


def digest(data: bytes) -> bytes:
    """Return the fingerprint of some bytes."""
    return blake2b(data, digest_size=16).digest()


def _marks(ends: Ends) -> tuple[bytes, bytes, int]:
    """Return what a checkpoint says of the ends of what stands before it.

    The fingerprint is that of a power of two of bytes: so there are few to look for a file by.
    """
    length = 1 << len(ends.head).bit_length() - 1 if ends.head else 0
    return digest(ends.head[:length]), digest(ends.tail), len(ends.tail)


def _behind(block: Block, checkpoint: Checkpoint, ends: Ends) -> tuple[Checkpoint, Ends]:
    """Return the checkpoint behind a block, and the ends of all that stands before it."""
    offset = block.offset + block.length
    mark = BYTE_ORDER_MARK if block.offset > checkpoint.offset else b""
    head = (ends.head + (mark + block.text)[:FINGERPRINT_BYTES])[:FINGERPRINT_BYTES]
    # Of an over-long line, the end is not known.
    tail = b"" if block.is_overlong else (ends.tail + mark + block.text)[-FINGERPRINT_BYTES:]
    is_cut = not block.is_overlong and not block.text.endswith(b"\n")
    lines = block.line - 1 + block.text.count(b"\n") + is_cut
    ends = Ends(head, tail)
    return Checkpoint(offset, lines, *_marks(ends)), ends


def _whole_lines(blocks: Iterator[Block], *, is_ended: bool) -> Iterator[Block]:
    """Yield lines that have ended: those of the last block alone may not have."""
    last: Block | None = None
    for block in blocks:
        if last is not None:
            yield last
        last = block
    if last is None or is_ended:
        yield from filter(None, [last])
        return
    text = last.text[: last.text.rfind(b"\n") + 1]
    if text and not last.is_overlong:
        yield last._replace(text=text, length=len(text))

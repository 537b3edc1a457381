"""An open file: compares its content with a checkpoint, and reads the lines after it.

A file is recognized by device, inode and a fingerprint of its prefix; before more of it is read,
the suffix before the offset is compared as well. The file may be truncated and written again at
any instant, so what was read counts only if the file is still the same afterwards.
"""

import errno
import io
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import BinaryIO, NamedTuple, cast

from behavstats.errors import SourceError
from behavstats.model.line_block import Block
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
from behavstats.store import Checkpoint, SourceOffset
from behavstats.watch import fingerprint
from behavstats.watch.file_id import FileId, id_of
from behavstats.watch.fingerprint import NO_SAMPLE, Sample, advance

_ESCAPED = "\\x"  # in the stored name of a file whose real name is not UTF-8

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class TailedBlock(NamedTuple):
    """Whole lines of a file, and the checkpoint at their end."""

    block: Block
    checkpoint: Checkpoint


class TailedFile:
    """An open regular file. Compressed content is decompressed, and offsets refer to the result."""

    def __init__(self, path: str, file: io.FileIO) -> None:
        """Use `open_tailed` instead, which closes the file again."""
        self.name = stored_name(path)
        self._descriptor = file.fileno()
        status = os.fstat(self._descriptor)
        check_regular(path, status)
        self.id: FileId = id_of(status)
        self.modified = status.st_mtime_ns
        stored = cast(BinaryIO, io.BufferedReader(file, CHUNK_BYTES))
        magic = os.pread(self._descriptor, MAGIC_BYTES, 0)
        self._stream = decompressed(stored, magic)
        self.is_compressed = self._stream is not stored
        self.size = status.st_size
        """The size of the content in bytes; if the file is compressed, only after `measure`."""

    def check_text(self) -> None:
        """Raise NoText if the content is not text."""
        kind = kind_of(self.read(self.nuls, LONGEST))
        if kind is not None:
            raise NoText(self.name, kind)

    def measure(self) -> None:
        """Read a compressed file to its end. Raises an error of DAMAGE if it is incomplete."""
        self.size = self._stream.seek(0, os.SEEK_END)

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes, or fewer at the end of the content."""
        if not self.is_compressed:
            return os.pread(self._descriptor, length, offset)
        self._stream.seek(offset)
        return self._stream.read(length)

    @cached_property
    def nuls(self) -> int:
        """How many NUL bytes precede the content without being a part of it.

        A hole is skipped and not read: it may be as large as a disk.
        """
        offset = self._data_from(0)
        while piece := self.read(offset, CHUNK_BYTES):
            nuls = leading_nuls(piece)
            if nuls < len(piece):
                return offset + nuls
            offset = self._data_from(offset + nuls)
        return offset

    def match(self, checkpoint: Checkpoint) -> Sample | None:
        """Return the sample of a checkpoint, or None if the content differs from it."""
        if not checkpoint.offset:
            return NO_SAMPLE
        length = checkpoint.suffix_length
        content_length = max(0, checkpoint.offset - self.nuls)
        prefix = self.read(self.nuls, min(content_length, fingerprint.SAMPLE_BYTES))
        sample = Sample(prefix, self.read(checkpoint.offset - length, length))
        return sample if sample.matches(checkpoint) else None

    def prefix_fingerprints(self) -> list[bytes]:
        """Return the fingerprints that the prefix has, and had while the file was shorter."""
        return fingerprint.prefix_fingerprints(self.read(self.nuls, fingerprint.SAMPLE_BYTES))

    def has_newline(self, offset: int) -> bool:
        """Return whether there is a newline after an offset."""
        while piece := self.read(self._data_from(offset), CHUNK_BYTES):
            if b"\n" in piece:
                return True
            offset = self._data_from(offset) + len(piece)
        return False

    def lines(
        self, checkpoint: Checkpoint, sample: Sample, *, is_complete: bool
    ) -> Iterator[TailedBlock]:
        """Yield the whole lines after a checkpoint; stop if the file changes meanwhile.

        `is_complete` means that nothing will be appended, so the last line needs no newline.
        """
        checkpoint = checkpoint._replace(offset=checkpoint.offset or self.nuls)
        pieces = self._pieces(checkpoint.offset)
        blocks = blocks_of(self.name, pieces, checkpoint.lines + 1, checkpoint.offset)
        for block in _whole_lines(blocks, is_complete=is_complete):
            checkpoint, sample = advance(block, checkpoint, sample)
            if not self.is_compressed and self.match(checkpoint) is None:
                return
            yield TailedBlock(block, checkpoint)

    def _data_from(self, offset: int) -> int:
        """Return the offset of the next data: the same offset, unless it is in a hole."""
        if self.is_compressed:
            return offset
        try:
            return os.lseek(self._descriptor, offset, os.SEEK_DATA)
        except OSError as error:  # a hole up to the end, or holes are not supported
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


@contextmanager
def open_tailed(path: str) -> Iterator[TailedFile]:
    """Open a regular file. Raises SourceError if it is something else, or cannot be read."""
    with ExitStack() as stack:
        try:
            # If a pipe has replaced the file, opening it must not wait for a writer.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            file = TailedFile(path, stack.enter_context(open(descriptor, "rb", buffering=0)))
        except (OSError, ValueError) as error:
            raise unreadable(path, error) from None
        try:
            yield file
        except DAMAGE as error:
            raise damaged(path, error) from None
        except OSError as error:
            raise unreadable(path, error) from None


def check_regular(path: str, status: os.stat_result) -> None:
    """Raise SourceError unless this is a regular file: nothing else can be followed."""
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "not a regular file")
        raise SourceError(f"{path}: is {kind}, which cannot be followed")


def up_to_date(offset: SourceOffset) -> SourceOffset:
    """Return a source offset with the present size of its file, if that is known.

    If the file is gone, or another file has its name, nothing more can be read under this name.
    Then the offset is returned without device and inode, like that of a file that is gone.
    """
    name = offset.name
    if name is None or _ESCAPED in name:
        return offset
    try:
        with open_tailed(name) as file:
            if file.id == (offset.device, offset.inode):
                return offset if file.is_compressed else offset._replace(size=file.size)
    except SourceError:
        if os.path.lexists(name):
            return offset
    return offset._replace(device=None, inode=None, size=offset.checkpoint.offset)


def _whole_lines(blocks: Iterator[Block], *, is_complete: bool) -> Iterator[Block]:
    """Yield the complete lines; only the last block may have an incomplete one."""
    last: Block | None = None
    for block in blocks:
        if last is not None:
            yield last
        last = block
    if last is None:
        return
    if is_complete:
        yield last
        return
    text = last.text[: last.text.rfind(b"\n") + 1]
    if text and not last.is_overlong:
        yield last._replace(text=text, length=len(text))

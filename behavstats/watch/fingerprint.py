"""Fingerprints, by which the content of a file is recognized.

A checkpoint has two of them: one of the prefix of the content, and one of the suffix, which is the
bytes just before the offset.
"""

from hashlib import blake2b
from typing import NamedTuple

from behavstats.model.line_block import BYTE_ORDER_MARK, Block
from behavstats.store import Checkpoint

SAMPLE_BYTES = 1024
"""How many bytes of a prefix or a suffix are compared at most."""

START = Checkpoint(0, 0, b"", b"", 0)
"""The checkpoint of a file that was not read yet."""


class Sample(NamedTuple):
    """The bytes whose fingerprints a checkpoint has: the first ones, and those before it."""

    prefix: bytes
    suffix: bytes

    def fingerprints(self) -> tuple[bytes, bytes, int]:
        """Return the fingerprints of prefix and suffix, and the length of the suffix.

        The length of the prefix is rounded down to a power of two, so that few fingerprints are
        enough to find a file that has grown since.
        """
        length = 1 << len(self.prefix).bit_length() - 1 if self.prefix else 0
        return fingerprint(self.prefix[:length]), fingerprint(self.suffix), len(self.suffix)

    def matches(self, checkpoint: Checkpoint) -> bool:
        """Return whether a checkpoint has the fingerprints of these bytes."""
        return self.fingerprints() == checkpoint[2:]


NO_SAMPLE = Sample(b"", b"")


def fingerprint(data: bytes) -> bytes:
    """Return the fingerprint of some bytes: 16 bytes of BLAKE2."""
    return blake2b(data, digest_size=16).digest()


def prefix_fingerprints(prefix: bytes) -> list[bytes]:
    """Return the fingerprints that a prefix has, and had while its content was shorter."""
    return [fingerprint(prefix[: 1 << power]) for power in range(len(prefix).bit_length())]


def advance(block: Block, checkpoint: Checkpoint, sample: Sample) -> tuple[Checkpoint, Sample]:
    """Return the checkpoint at the end of a block, and the sample that belongs to it.

    `checkpoint` and `sample` are those at the start of the block.
    """
    offset = block.offset + block.length
    mark = BYTE_ORDER_MARK if block.offset > checkpoint.offset else b""
    prefix = (sample.prefix + (mark + block.text)[:SAMPLE_BYTES])[:SAMPLE_BYTES]
    # The end of an overlong line is not known.
    suffix = b"" if block.is_overlong else (sample.suffix + mark + block.text)[-SAMPLE_BYTES:]
    is_cut = not block.is_overlong and not block.text.endswith(b"\n")
    lines = block.line - 1 + block.text.count(b"\n") + is_cut
    sample = Sample(prefix, suffix)
    return Checkpoint(offset, lines, *sample.fingerprints()), sample

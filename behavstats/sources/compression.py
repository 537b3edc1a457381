"""Decompressing a source, and what its damage means."""

import gzip
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, cast

from behavstats.errors import SourceError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CHUNK_BYTES = 1024 * 1024
"""What is read of a source at once, at most."""

MAGIC_BYTES = 4
"""So many bytes tell how a source is compressed."""

DAMAGE = (EOFError, gzip.BadGzipFile, zlib.error, zstd.ZstdError)
"""What decompressing raises where the data is cut short or broken."""

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE = [bytes([number, 0x2A, 0x4D, 0x18]) for number in range(0x50, 0x60)]


def never() -> bool:
    """Say that a stream never pauses: a file is read as fast as it can be."""
    return False


def decompressed(stored: BinaryIO, beginning: bytes) -> BinaryIO:
    """Tell by its first bytes how a stream is compressed, and return what it holds."""
    if beginning.startswith(_GZIP):
        return cast(BinaryIO, gzip.GzipFile(fileobj=stored))
    if beginning in (_ZSTD, *_ZSTD_SKIPPABLE):
        return cast(BinaryIO, zstd.ZstdFile(stored))
    return stored


def chunks(name: str, stream: BinaryIO, pauses: Callable[[], bool] = never) -> Iterator[bytes]:
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


def damaged(name: str, error: Exception) -> SourceError:
    """Return what an error of decompressing means for a source."""
    return SourceError(f"{name}: cannot be decompressed to its end ({error})")


def unreadable(name: str, error: Exception) -> SourceError:
    """Return what an error of the operating system means for a source."""
    reason = getattr(error, "strerror", None) or error
    return SourceError(f"{name}: {reason}")

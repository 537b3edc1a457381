"""Decompress a source, and report damage to it."""

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
"""The maximum number of bytes that are read from a source at once."""

MAGIC_BYTES = 4
"""The number of bytes that show how a source is compressed."""

DAMAGE = (EOFError, gzip.BadGzipFile, zlib.error, zstd.ZstdError)
"""The exceptions that decompression raises if the data is cut short or damaged."""

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE = [bytes([number, 0x2A, 0x4D, 0x18]) for number in range(0x50, 0x60)]


def never() -> bool:
    """Return False: a file on a disk never pauses."""
    return False


def decompressed(stored: BinaryIO, beginning: bytes) -> BinaryIO:
    """Return a stream of the decompressed content.

    `beginning` (the first `MAGIC_BYTES`) shows whether `stored` is gzip, zstandard or plain.
    """
    if beginning.startswith(_GZIP):
        return cast(BinaryIO, gzip.GzipFile(fileobj=stored))
    if beginning in (_ZSTD, *_ZSTD_SKIPPABLE):
        return cast(BinaryIO, zstd.ZstdFile(stored))
    return stored


def chunks(name: str, stream: BinaryIO, pauses: Callable[[], bool] = never) -> Iterator[bytes]:
    """Yield the content of a stream in chunks of at most 1 MiB; `b""` means that it pauses.

    If the stream cannot be read to its end, yields the bytes before the error, then raises
    SourceError.
    """
    try:
        while True:
            if pauses():
                yield b""
            # Not read(): if it came upon damage, it would lose the bytes that it had collected.
            chunk = stream.read1(CHUNK_BYTES)  # type: ignore[attr-defined]
            if not chunk:
                return
            yield chunk
    except DAMAGE as error:
        raise damaged(name, error) from None
    except OSError as error:
        raise unreadable(name, error) from None


def damaged(name: str, error: Exception) -> SourceError:
    """Return the SourceError for an exception of decompression."""
    return SourceError(f"{name}: cannot be decompressed to its end ({error})")


def unreadable(name: str, error: Exception) -> SourceError:
    """Return the SourceError for an exception of the operating system."""
    reason = getattr(error, "strerror", None) or error
    return SourceError(f"{name}: {reason}")

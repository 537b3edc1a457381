"""The body of a request: its limits, and its text, which may be compressed."""

import zlib

from behavstats.errors import InvalidInput, TooLarge
from behavstats.model.line_block import BYTE_ORDER_MARK

MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_DECOMPRESSED_BYTES = 16 * 1024 * 1024

GZIP = b"\x1f\x8b"
"""The bytes with which gzip data begins."""

_GZIP_FORMAT = 16 + zlib.MAX_WBITS
_PIECE = 16 * 1024  # bytes


def body_text(body: bytes) -> bytes:
    """Return the text of a body: decompressed, and without a byte-order mark.

    Raises the errors of `decompress`.
    """
    return decompress(body).removeprefix(BYTE_ORDER_MARK)


def decompress(body: bytes) -> bytes:
    """Return a body, decompressed if it is gzip data, whatever its headers say.

    Raises TooLarge as soon as there are more than 16 MiB, and InvalidInput (`invalid_gzip`) if the
    data is damaged or cut off.
    """
    if not body.startswith(GZIP):
        return body
    parts, length, at = [], 0, 0
    try:
        while at < len(body):  # gzip data may consist of several members
            member = zlib.decompressobj(_GZIP_FORMAT)
            while not member.eof:
                # In pieces, since zlib copies all data after a member, and members may be tiny.
                piece = body[at : at + _PIECE]
                if not piece:
                    raise InvalidInput("invalid_gzip", "the gzip data is cut off")
                parts.append(member.decompress(piece, MAX_DECOMPRESSED_BYTES + 1 - length))
                length += len(parts[-1])
                if length > MAX_DECOMPRESSED_BYTES:
                    raise TooLarge("body", MAX_DECOMPRESSED_BYTES)
                at += len(piece) - len(member.unused_data)
    except zlib.error as error:
        raise InvalidInput("invalid_gzip", f"the gzip data is damaged: {error}") from None
    return b"".join(parts)

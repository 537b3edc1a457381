"""Recognise files that are not text by their first bytes; their lines are not ingested."""

import re
from collections.abc import Iterable, Iterator

from behavstats.errors import SourceError

LONGEST = 512
"""The number of (decompressed) bytes that are needed to recognise a file."""

_TAR_AT = 257
_SQLITE = b"SQLite format 3\0"
_APPLICATION_AT = 68
_OWN = b"bsts"  # SQLite's application id of a store (`PRAGMA application_id`)
_BEGINNINGS = (
    (_SQLITE, "a SQLite database"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"%PDF-", "a PDF document"),
    (b"\xfd7zXZ\0", "an xz file"),
    (b"PK\x03\x04", "a zip file"),
    (b"PK\x05\x06", "a zip file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z file"),
    (b"\x04\x22\x4d\x18", "an lz4 file"),
    (b"\x1f\x8b", "a gzip file"),
    (b"\x28\xb5\x2f\xfd", "a zstandard file"),
    (b"\x1f\x9d", "a compress (.Z) file"),
    (b"PAR1", "a Parquet file"),
    (b"ORC\x0a", "an ORC file"),
    (b"ORC\x08", "an ORC file"),
    (b"Obj\x01", "an Avro file"),
    (b"ARROW1\0\0", "an Arrow file"),
    (b"\x7fELF", "a program"),
    (b"\xff\xfe\0\0", "UTF-32 text, not UTF-8"),
    (b"\0\0\xfe\xff", "UTF-32 text, not UTF-8"),
    (b"\xff\xfe", "UTF-16 text, not UTF-8"),
    (b"\xfe\xff", "UTF-16 text, not UTF-8"),
)
_BZIP2 = re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)")
# ASCII characters in two bytes each: every other byte is NUL.
_UTF_16 = re.compile(rb"(?:[\t\n\r -~]\0){2}|(?:\0[\t\n\r -~]){2}")


class NoText(SourceError):
    """A source is not text; the message says what it is."""

    def __init__(self, name: str, kind: str) -> None:
        super().__init__(f"{name}: is {kind}, not JSON lines")


def kind_of(beginning: bytes) -> str | None:
    """Return the kind of a file with this beginning, or None if it may be text.

    `beginning` is the first 512 bytes of the file, decompressed, or all of a shorter file.
    """
    if beginning.startswith(_SQLITE) and beginning[_APPLICATION_AT:].startswith(_OWN):
        return "a behavstats store, or a backup of one"
    if beginning[_TAR_AT:].startswith(b"ustar"):
        return "a tar archive"
    if _BZIP2.match(beginning):
        return "a bzip2 file"
    if _UTF_16.match(beginning):
        return "UTF-16 text, not UTF-8"
    return next((kind for magic, kind in _BEGINNINGS if beginning.startswith(magic)), None)


def only_text(name: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the pieces unchanged; raises NoText before the first one if the content is not text.

    Reads as many pieces as it needs to recognise the content, but stops at the end of the first
    line or at a pause of the source (an empty piece).
    """
    pieces = iter(pieces)
    first: list[bytes] = []
    failure: SourceError | None = None
    try:
        for piece in pieces:
            first.append(piece)
            if not piece or b"\n" in piece or sum(map(len, first)) >= LONGEST:
                break
    except SourceError as error:
        failure = error
    kind = kind_of(b"".join(first)[:LONGEST])
    if kind is not None:
        raise NoText(name, kind)
    yield from first
    if failure is not None:
        raise failure
    yield from pieces

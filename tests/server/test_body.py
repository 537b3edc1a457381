"""The body of a request: gzip data, whole and damaged, within the limits."""

import gzip
import zlib

import pytest

from behavstats.errors import InvalidInput, TooLarge
from behavstats.server.body import MAX_DECOMPRESSED_BYTES as LIMIT
from behavstats.server.body import decompress
from tests.support.edge import MIB, batch
from tests.support.memory import peak_of

TEXT = batch({"type": "page", "userId": "u", "name": "/"})


@pytest.mark.parametrize("compress", [gzip.compress, lambda text: gzip.compress(text, mtime=7)])
def test_gzip_is_recognised_by_the_body_itself(compress):
    """With one member or several, even empty ones."""
    text = TEXT
    assert decompress(compress(text)) == text
    assert decompress(compress(text[:9]) + compress(b"") + compress(text[9:])) == text
    assert decompress(text) == text
    assert decompress(b"") == b""


PACKED = gzip.compress(TEXT, mtime=0)


@pytest.mark.parametrize(
    "body",
    [
        PACKED[:-1],
        PACKED[:-9],
        PACKED[:15],
        PACKED[:-8] + b"\0" * 8,
        PACKED + PACKED[:-1],
        PACKED + b"trash",
        b"\x1f\x8b",
        b"\x1f\x8b trash",
    ],
)
def test_gzip_that_is_cut_off_or_damaged_is_refused(body):
    """Nothing of it counts, although a part may look whole."""
    with pytest.raises(InvalidInput) as refused:
        decompress(body)
    assert refused.value.code == "invalid_gzip"


def test_gzip_may_decompress_to_16_mebibytes_and_no_more():
    """In one member, or in all members together."""
    assert len(decompress(gzip.compress(b" " * LIMIT, 1))) == LIMIT
    parts = [gzip.compress(b" " * (LIMIT // 2), 1)] * 2
    assert len(decompress(b"".join(parts))) == LIMIT
    for body in (
        gzip.compress(b" " * (LIMIT + 1), 1),
        b"".join([*parts, gzip.compress(b" ")]),
    ):
        with pytest.raises(TooLarge, match="16,777,216 bytes"):
            decompress(body)


def test_a_zip_bomb_takes_no_more_memory_than_the_limit():
    """With one member, or with a hundred."""
    packer = zlib.compressobj(1, wbits=31)
    bomb = b"".join(packer.compress(b" " * MIB) for _ in range(64)) + packer.flush()
    for body in (bomb, gzip.compress(b" " * (LIMIT // 2 + 1), 1) * 100):
        assert peak_of(decompress, body) < 3 * LIMIT

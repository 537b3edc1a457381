"""Files and standard input are read as blocks of whole lines."""

import gzip
import io
import os
import sys
import threading
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from behavstats.errors import SourceError
from behavstats.model.line_block import MAX_LINE_BYTES
from behavstats.sources import line_blocks
from behavstats.sources.compression import zstd
from behavstats.sources.files import open_source, size_of

LINES = b"".join(b'{"line": %d}\n' % number for number in range(1000))


def read(path):
    with open_source(str(path)) as source:
        return list(source.blocks())


def text_of(blocks):
    return b"".join(block.text for block in blocks)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "events"


@pytest.mark.parametrize(
    "stored",
    [
        LINES,
        gzip.compress(LINES),
        zstd.compress(LINES),
        gzip.compress(LINES[:5000]) + gzip.compress(LINES[5000:]),
        zstd.compress(LINES[:5000]) + zstd.compress(LINES[5000:]),
    ],
)
def test_compression_is_recognised_by_the_content_not_by_the_name(path, stored):
    """A compressed file may have several members."""
    path.write_bytes(stored)
    assert text_of(read(path)) == LINES


def test_a_zstandard_file_may_begin_with_a_skippable_frame(path):
    """Parallel compressors write such files."""
    path.write_bytes(b"\x5a\x2a\x4d\x18\x04\0\0\0skip" + zstd.compress(LINES))
    assert text_of(read(path)) == LINES


def test_the_position_counts_the_stored_bytes(path):
    """So a progress bar is right for a compressed file."""
    path.write_bytes(gzip.compress(LINES))
    with open_source(str(path)) as source:
        assert source.name == str(path)
        list(source.blocks())
        assert source.position == size_of(str(path)) == path.stat().st_size


@pytest.mark.parametrize("stored", [LINES, gzip.compress(LINES), b"", b"{", b"\n"])
def test_standard_input_is_read_to_its_end_even_if_it_is_slow(monkeypatch, stored):
    """Compression is recognised even if the pipe delivers single bytes."""
    reading, writing = os.pipe()

    def feed():
        for byte in stored[:20]:
            os.write(writing, bytes([byte]))
        os.write(writing, stored[20:])
        os.close(writing)

    feeder = threading.Thread(target=feed)
    feeder.start()
    with os.fdopen(reading) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        with open_source("-") as source:
            assert source.name == "-"
            text = text_of(source.blocks())
    feeder.join()
    assert text == (LINES if len(stored) > 20 else stored)


@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress])
@pytest.mark.parametrize("damage", [lambda data: data[:-3], lambda data: data[: len(data) // 2]])
def test_the_whole_lines_before_the_end_of_a_truncated_file_are_read(path, compress, damage):
    """Then the error names the file."""
    noise = b"".join(os.urandom(50).hex().encode() + b"\n" for _ in range(50_000))
    path.write_bytes(damage(compress(noise)))
    blocks = []
    with open_source(str(path)) as source, pytest.raises(SourceError) as error:
        blocks.extend(source.blocks())
    assert str(path) in str(error.value)
    text = text_of(blocks)
    assert text.endswith(b"\n")
    assert noise.startswith(text)
    assert len(text) > len(noise) * 0.4


def test_garbage_after_compressed_data_is_an_error_after_the_lines(path):
    """The compressed lines are read first."""
    path.write_bytes(gzip.compress(LINES) + b"garbage")
    blocks = []
    with (
        open_source(str(path)) as source,
        pytest.raises(SourceError, match="cannot be decompressed"),
    ):
        blocks.extend(source.blocks())
    assert text_of(blocks) == LINES


def test_a_last_line_without_a_newline_is_a_line(path):
    """Many tools write such files."""
    path.write_bytes(b"a\nb")
    assert [block.text for block in read(path)] == [b"a\nb"]


def test_a_byte_order_mark_is_skipped(path):
    """Only a mark at the beginning of the file is skipped here; offsets count its bytes."""
    path.write_bytes(b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n")
    (block,) = read(path)
    assert (block.line, block.offset, block.text) == (1, 3, b"a\n\xef\xbb\xbfb\n")


@pytest.mark.parametrize("excess", [-1, 0, 1, 2, 5_000_000])
@pytest.mark.parametrize("end", [b"\n", b""])
@pytest.mark.parametrize("before", [b"", b"first\n" * 1000])
def test_an_over_long_line_is_a_block_of_its_own_and_is_kept_in_part(path, excess, end, before):
    """The limit is 1 MiB without the newline; the lines around it are whole and numbered right."""
    length = MAX_LINE_BYTES + excess
    path.write_bytes(before + b"x" * length + end + (b"last" if end else b""))
    blocks = read(path)
    cut = [block for block in blocks if block.length != len(block.text)]
    if excess <= 0:
        assert cut == []
        assert text_of(blocks) == path.read_bytes()
        return
    (overlong,) = cut
    assert overlong.text == b"x" * 4096
    assert overlong.length == length
    assert (overlong.line, overlong.offset) == (before.count(b"\n") + 1, len(before))
    if end:
        assert blocks[-1][1:] == (overlong.line, len(before) + length, b"\nlast", 5)


@given(st.lists(st.binary(max_size=6), max_size=30), st.integers(1, 7))
def test_all_lines_are_read_unchanged_whatever_the_chunks_are(lines, size):
    """Blocks are bounded in bytes and lines, and have the right offsets and line numbers."""
    data = b"\n".join(lines)
    chunks = iter(io.BytesIO(data).read, b"")
    pieces = (
        chunk[start : start + size] for chunk in chunks for start in range(0, len(chunk), size)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_blocks, "_BLOCK_LINES", 3)
        patch.setattr(line_blocks, "_BLOCK_BYTES", 16)
        patch.setattr(line_blocks, "BYTE_ORDER_MARK", b"\0no mark")
        blocks = list(line_blocks.blocks_of("name", pieces))
    assert text_of(blocks) == data
    offset = 0
    for block in blocks:
        assert (block.offset, block.line) == (offset, data[:offset].count(b"\n") + 1)
        assert block.text.count(b"\n") <= 3
        assert offset + block.length == len(data) or block.text.endswith(b"\n")
        offset += block.length


def test_a_block_of_many_short_lines_is_bounded(path):
    """So millions of tiny lines do not become millions of objects at the same time."""
    path.write_bytes(b"x\n" * 1_000_000)
    blocks = read(path)
    assert max(block.text.count(b"\n") for block in blocks) <= 100_000
    assert sum(block.text.count(b"\n") for block in blocks) == 1_000_000


def test_a_very_long_line_is_never_held_in_memory(path):
    """Reading 64 MiB without a newline takes a few MiB."""
    path.write_bytes(gzip.compress(b"x" * (64 * 1024 * 1024)))
    tracemalloc.start()
    (overlong,) = read(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert overlong.length == 64 * 1024 * 1024
    assert peak < 8 * 1024 * 1024


def test_a_path_that_cannot_be_opened_is_an_error(tmp_path):
    """The path may be missing, a folder, or not a path at all."""
    for path in (str(tmp_path / "missing"), str(tmp_path), "a\0b"):
        with pytest.raises(SourceError), open_source(path):
            pass


def test_a_pipe_has_no_size(tmp_path):
    """Standard input has no size either. The file is not opened to find this out."""
    os.mkfifo(tmp_path / "pipe")
    assert size_of(str(tmp_path / "pipe")) is None
    assert size_of("-") is None


def test_a_closed_standard_input_is_an_error(monkeypatch):
    """It is a SourceError, not one of Python."""
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(SourceError, match="closed"), open_source("-"):
        pass


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd.compress])
@pytest.mark.parametrize("nuls", [1, 1024, 3 * 1024 * 1024 + 5])
def test_nuls_at_the_beginning_are_skipped_and_counted_in_offsets(path, pack, nuls):
    """They appear if a log is truncated while a program keeps writing at its old offset."""
    path.write_bytes(pack(bytes(nuls) + b"a\n\0b\n"))
    assert [block[1:4] for block in read(path)] == [(1, nuls, b"a\n\0b\n")]
    path.write_bytes(pack(bytes(nuls)))
    assert read(path) == []


def test_a_large_hole_takes_no_memory(path):
    """The NULs of the hole are not held in memory, and none of them is a rejected line."""
    with path.open("wb") as file:
        file.truncate(256 * 1024**2)
        file.seek(0, os.SEEK_END)
        file.write(b"a\n")
    tracemalloc.start()
    assert [block[1:4] for block in read(path)] == [(1, 256 * 1024**2, b"a\n")]
    assert tracemalloc.get_traced_memory()[1] < 16 * 1024 * 1024
    tracemalloc.stop()

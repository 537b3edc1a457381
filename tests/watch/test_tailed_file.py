"""One open file: recognized by its content, and its whole lines behind a checkpoint."""

import gzip
import os
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from behavstats.errors import SourceError
from behavstats.model.line_block import MAX_LINE_BYTES
from behavstats.sources.compression import zstd
from behavstats.watch.fingerprint import NO_SAMPLE, START
from behavstats.watch.tailed_file import open_tailed

LINES = b"".join(b'{"line": %d}\n' % number for number in range(1000))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "events.jsonl"


def read(path, checkpoint=START, *, is_complete=False):
    """Return the whole lines behind a checkpoint, and the checkpoint behind them."""
    with open_tailed(str(path)) as file:
        if file.is_compressed:
            file.measure()
        lines = [*file.lines(checkpoint, file.match(checkpoint), is_complete=is_complete)]
    text = b"".join(block.text for block, _ in lines)
    return text, lines[-1].checkpoint if lines else checkpoint


def is_recognized(path, checkpoint):
    with open_tailed(str(path)) as file:
        return file.match(checkpoint) is not None


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd.compress])
def test_reading_continues_behind_the_checkpoint(path, pack):
    """Line numbers and offsets are those of the decompressed content."""
    path.write_bytes(pack(LINES))
    first, checkpoint = read(path)
    assert (first, checkpoint.offset, checkpoint.lines) == (LINES, len(LINES), 1000)
    path.write_bytes(pack(LINES + b"more\nand\n"))
    more, after = read(path, checkpoint)
    assert (more, after.offset, after.lines) == (b"more\nand\n", len(LINES) + 9, 1002)
    assert read(path, after) == (b"", after)


@pytest.mark.parametrize("end", [b"", b"unfinished", b"x" * (MAX_LINE_BYTES + 5)])
def test_a_line_is_not_read_before_its_newline_is_there(path, end):
    """However long it is."""
    path.write_bytes(LINES + end)
    text, checkpoint = read(path)
    assert (text, checkpoint.offset) == (LINES, len(LINES))
    path.write_bytes(LINES + end + b"\n")
    text, checkpoint = read(path, checkpoint)
    assert text == (end[:4096] if len(end) > MAX_LINE_BYTES else end) + b"\n"
    assert (checkpoint.offset, checkpoint.lines) == (len(LINES + end) + 1, 1001)


def test_reading_continues_behind_an_overlong_line(path):
    """Also from a checkpoint that has no suffix because of it."""
    path.write_bytes(b"x" * (MAX_LINE_BYTES + 5) + b"\n")
    _, checkpoint = read(path)
    with path.open("ab") as file:
        file.write(b"next\n")
    assert is_recognized(path, checkpoint)
    assert read(path, checkpoint)[0] == b"next\n"


def test_the_last_line_of_a_complete_file_needs_no_newline(path):
    """For example, of a compressed file to which nothing will be appended."""
    path.write_bytes(gzip.compress(b"a\nb"))
    text, checkpoint = read(path, is_complete=True)
    assert (text, checkpoint.lines, checkpoint.offset) == (b"a\nb", 2, 3)


@given(st.binary(max_size=4000), st.data())
def test_a_file_is_recognized_unless_its_prefix_or_suffix_changed(tmp_path_factory, content, data):
    """One changed byte among those that are compared is enough."""
    path = tmp_path_factory.mktemp("known") / "events"
    content = b"{" + content  # the magic bytes of no compressed file
    path.write_bytes(content + b"\nrest")
    _, checkpoint = read(path)
    assert is_recognized(path, checkpoint)
    length = checkpoint.offset
    prefix_length = 1 << min(length, 1024).bit_length() - 1
    place = data.draw(
        st.one_of(st.integers(0, prefix_length - 1), st.integers(max(0, length - 1024), length - 1))
    )
    changed = bytearray(path.read_bytes())
    changed[place] ^= 1
    path.write_bytes(changed)
    assert not is_recognized(path, checkpoint)
    path.write_bytes(content[: length - 1])
    assert not is_recognized(path, checkpoint)


def test_a_byte_order_mark_belongs_to_the_prefix(path):
    """But not to the first line."""
    path.write_bytes(b"\xef\xbb\xbfa\n")
    text, checkpoint = read(path)
    assert (text, checkpoint.offset) == (b"a\n", 5)
    assert is_recognized(path, checkpoint)


def test_lines_of_a_file_that_is_truncated_while_it_is_read_do_not_count(path, monkeypatch):
    """They may be half old and half new."""
    path.write_bytes(LINES)
    with open_tailed(str(path)) as file:
        lines = file.lines(START, NO_SAMPLE, is_complete=False)
        whole = type(file)._pieces

        def truncated(file, offset):
            yield from whole(file, offset)
            path.write_bytes(b"something else\n")

        monkeypatch.setattr(type(file), "_pieces", truncated)
        assert [*lines] == []


@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress])
def test_an_incomplete_compressed_file_is_an_error(path, compress):
    """Wherever it is cut off."""
    noise = b"".join(os.urandom(20).hex().encode() + b"\n" for _ in range(1000))
    packed = compress(noise)
    for length in (len(packed) - 1, len(packed) // 2, 6):
        path.write_bytes(packed[:length])
        with pytest.raises(SourceError, match="decompressed"), open_tailed(str(path)) as file:
            file.measure()
    path.write_bytes(packed)
    with open_tailed(str(path)) as file:
        file.measure()
        assert file.size == len(noise)


def test_only_regular_files_can_be_followed(tmp_path):
    """Opening a pipe does not block, and nothing else can be opened."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(tmp_path)
        server.bind("socket")
        for name in ("pipe", "folder", "socket", "circle", "missing", "/dev/null", "a\0b"):
            with pytest.raises(SourceError), open_tailed(name):
                pass


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_leading_nuls_do_not_belong_to_the_content(path, pack):
    """Two files are not the same because both begin with them; what is behind them counts."""
    hole = bytes(5_000)
    path.write_bytes(pack(hole + LINES))
    text, checkpoint = read(path)
    assert (text, checkpoint.offset, checkpoint.lines) == (LINES, len(hole + LINES), 1000)
    path.write_bytes(pack(hole + LINES + b"more\n"))
    assert read(path, checkpoint)[0] == b"more\n"
    with open_tailed(str(path)) as file:
        heads = file.prefix_fingerprints()
    path.write_bytes(pack(hole + b"other" + LINES))
    assert not is_recognized(path, checkpoint)
    with open_tailed(str(path)) as file:
        assert not set(heads) & set(file.prefix_fingerprints())
    path.write_bytes(pack(bytes(len(hole + LINES)) + b"more\n"))
    assert not is_recognized(path, checkpoint)


def test_a_hole_is_neither_read_nor_searched(path, monkeypatch):
    """A hole of 1 TiB would take minutes."""
    with path.open("wb") as file:
        file.seek(1024**4)
        file.write(b"a\n")
    reads = []
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda *of: reads.append(of) or pread(*of))
    with open_tailed(str(path)) as file:
        assert file.has_newline(0)
    text, checkpoint = read(path)
    assert (text, checkpoint.offset) == (b"a\n", 1024**4 + 2)
    assert len(reads) < 50

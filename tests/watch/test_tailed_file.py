"""One followed file: known again by what is in it, and its whole lines behind a checkpoint."""

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


def taken(path, checkpoint=START, *, is_complete=False):
    """The whole lines behind a checkpoint, and the checkpoint behind them."""
    with open_tailed(str(path)) as content:
        if content.is_compressed:
            content.measure()
        lines = [*content.lines(checkpoint, content.match(checkpoint), is_complete=is_complete)]
    text = b"".join(block.text for block, _ in lines)
    return text, lines[-1].checkpoint if lines else checkpoint


def is_known(path, checkpoint):
    with open_tailed(str(path)) as content:
        return content.match(checkpoint) is not None


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd.compress])
def test_lines_are_taken_behind_those_that_were(path, pack):
    """With their numbers and offsets, which are those of the content."""
    path.write_bytes(pack(LINES))
    first, checkpoint = taken(path)
    assert (first, checkpoint.offset, checkpoint.lines) == (LINES, len(LINES), 1000)
    path.write_bytes(pack(LINES + b"more\nand\n"))
    more, after = taken(path, checkpoint)
    assert (more, after.offset, after.lines) == (b"more\nand\n", len(LINES) + 9, 1002)
    assert taken(path, after) == (b"", after)


@pytest.mark.parametrize("end", [b"", b"unfinished", b"x" * (MAX_LINE_BYTES + 5)])
def test_a_line_without_its_newline_waits(path, end):
    """However long it is already."""
    path.write_bytes(LINES + end)
    text, checkpoint = taken(path)
    assert (text, checkpoint.offset) == (LINES, len(LINES))
    path.write_bytes(LINES + end + b"\n")
    text, checkpoint = taken(path, checkpoint)
    assert text == (end[:4096] if len(end) > MAX_LINE_BYTES else end) + b"\n"
    assert (checkpoint.offset, checkpoint.lines) == (len(LINES + end) + 1, 1001)


def test_behind_an_over_long_line_the_next_is_taken(path):
    """Also if it is a restart that comes between."""
    path.write_bytes(b"x" * (MAX_LINE_BYTES + 5) + b"\n")
    _, checkpoint = taken(path)
    with path.open("ab") as file:
        file.write(b"next\n")
    assert is_known(path, checkpoint)
    assert taken(path, checkpoint)[0] == b"next\n"


def test_the_last_line_of_what_is_complete_needs_no_newline(path):
    """As of a compressed file that nobody writes to any more."""
    path.write_bytes(gzip.compress(b"a\nb"))
    text, checkpoint = taken(path, is_complete=True)
    assert (text, checkpoint.lines, checkpoint.offset) == (b"a\nb", 2, 3)


@given(st.binary(max_size=4000), st.data())
def test_it_is_known_again_unless_its_ends_changed(tmp_path_factory, content, data):
    """One byte is enough, of the first or the last that are compared."""
    path = tmp_path_factory.mktemp("known") / "events"
    content = b"{" + content  # not what compressed files begin with
    path.write_bytes(content + b"\nrest")
    _, checkpoint = taken(path)
    assert is_known(path, checkpoint)
    length = checkpoint.offset
    fingerprint = 1 << min(length, 1024).bit_length() - 1
    place = data.draw(
        st.one_of(st.integers(0, fingerprint - 1), st.integers(max(0, length - 1024), length - 1))
    )
    changed = bytearray(path.read_bytes())
    changed[place] ^= 1
    path.write_bytes(changed)
    assert not is_known(path, checkpoint)
    path.write_bytes(content[: length - 1])
    assert not is_known(path, checkpoint)


def test_a_byte_order_mark_counts_as_part_of_the_beginning(path):
    """But not of the first line."""
    path.write_bytes(b"\xef\xbb\xbfa\n")
    text, checkpoint = taken(path)
    assert (text, checkpoint.offset) == (b"a\n", 5)
    assert is_known(path, checkpoint)


def test_what_was_truncated_while_it_was_read_is_not_taken(path, monkeypatch):
    """Half of it may be old, and half new."""
    path.write_bytes(LINES)
    with open_tailed(str(path)) as content:
        lines = content.lines(START, NO_SAMPLE, is_complete=False)
        whole = type(content)._pieces

        def truncated(content, offset):
            yield from whole(content, offset)
            path.write_bytes(b"something else\n")

        monkeypatch.setattr(type(content), "_pieces", truncated)
        assert [*lines] == []


@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress])
def test_a_compressed_file_is_complete_or_an_error(path, compress):
    """Whatever of it is there."""
    noise = b"".join(os.urandom(20).hex().encode() + b"\n" for _ in range(1000))
    packed = compress(noise)
    for length in (len(packed) - 1, len(packed) // 2, 6):
        path.write_bytes(packed[:length])
        with pytest.raises(SourceError, match="decompressed"), open_tailed(str(path)) as content:
            content.measure()
    path.write_bytes(packed)
    with open_tailed(str(path)) as content:
        content.measure()
        assert content.size == len(noise)


def test_only_regular_files_can_be_followed(tmp_path):
    """A pipe is not waited for, and nothing else is opened."""
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
def test_nuls_at_the_beginning_are_no_part_of_the_content(path, pack):
    """Two files are not the same because both begin with some; what stands behind them counts."""
    hole = bytes(5_000)
    path.write_bytes(pack(hole + LINES))
    text, checkpoint = taken(path)
    assert (text, checkpoint.offset, checkpoint.lines) == (LINES, len(hole + LINES), 1000)
    path.write_bytes(pack(hole + LINES + b"more\n"))
    assert taken(path, checkpoint)[0] == b"more\n"
    with open_tailed(str(path)) as content:
        heads = content.prefix_fingerprints()
    path.write_bytes(pack(hole + b"other" + LINES))
    assert not is_known(path, checkpoint)
    with open_tailed(str(path)) as content:
        assert not set(heads) & set(content.prefix_fingerprints())
    path.write_bytes(pack(bytes(len(hole + LINES)) + b"more\n"))
    assert not is_known(path, checkpoint)


def test_a_hole_is_neither_read_nor_searched(path, monkeypatch):
    """One of a TiB would take minutes."""
    with path.open("wb") as file:
        file.seek(1024**4)
        file.write(b"a\n")
    reads = []
    read = os.pread
    monkeypatch.setattr(os, "pread", lambda *of: reads.append(of) or read(*of))
    with open_tailed(str(path)) as content:
        assert content.has_newline(0)
    text, checkpoint = taken(path)
    assert (text, checkpoint.offset) == (b"a\n", 1024**4 + 2)
    assert len(reads) < 50

"""A file that is not text is recognised, and the error says what it is."""

import bz2
import gzip
import io
import lzma
import sqlite3
import tarfile
import zipfile
from contextlib import closing

import pytest

from behavstats.errors import SourceError
from behavstats.ingest.pipeline import ingest
from behavstats.sources.compression import zstd
from behavstats.sources.file_type import NoText, kind_of, only_text
from tests.support.followed import drain
from tests.support.histories import AS_OF, line
from tests.support.stores import VIEW

LINES = line(VIEW) * 3


def tarred():
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("events.jsonl"), io.BytesIO(b""))
    return whole.getvalue()


def zipped():
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("events.jsonl", LINES)
    return whole.getvalue()


def a_database():
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (x)")
        return connection.serialize()


def a_store():
    database = bytearray(a_database())
    database[68:72] = b"bsts"
    return bytes(database)


TEXT = LINES.decode()
KINDS = {
    "a SQLite database": a_database(),
    "a behavstats store, or a backup of one": a_store(),
    "a PNG image": b"\x89PNG\r\n\x1a\n" + bytes(50),
    "an xz file": lzma.compress(LINES),
    "a bzip2 file": bz2.compress(LINES),
    "a zip file": zipped(),
    "a tar archive": tarred(),
    "a Parquet file": b"PAR1\x15\x04" + bytes(50),
}
UTF_16 = [TEXT.encode("utf-16"), TEXT.encode("utf-16-le"), TEXT.encode("utf-16-be")]


@pytest.mark.parametrize(
    ("kind", "content"), [*KINDS.items(), *(("UTF-16 text, not UTF-8", text) for text in UTF_16)]
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd.compress])
def test_a_file_that_is_not_text_is_named_and_not_read_line_by_line(
    store, folder, kind, content, pack
):
    """This holds for plain and compressed files, ingested or watched."""
    path = folder / "events"
    path.write_bytes(pack(content))
    report = ingest([str(path)], store, lambda: AS_OF)
    assert [*map(str, report.failures)] == [f"{path}: is {kind}, not JSON lines"]
    report = drain(store, folder)
    assert [*map(str, report.failures)] == [f"{path}: is {kind}, not JSON lines"]
    assert (report.read, store.rejected.totals().lines, store.offsets.all()) == (0, 0, [])


@pytest.mark.parametrize(
    "text",
    [b"", b"\n", b"{", LINES, b"\xef\xbb\xbf" + LINES, bytes(9), b"BZh is a name\n", b"\xff{}\n"],
)
def test_a_file_that_may_be_text_is_not_taken_for_anything_else(text):
    """It may be empty or broken, or begin with a byte-order mark or NULs."""
    assert kind_of(text) is None
    assert b"".join(only_text("-", iter([text[:3], text[3:]]))) == text


def test_the_content_of_a_pipe_is_recognised_without_waiting_too_long():
    """A pause (an empty piece) or a whole line ends the waiting for more pieces."""
    content = KINDS["a tar archive"]
    with pytest.raises(NoText, match="tar archive"):
        next(only_text("-", iter([content[:4], content[4:100], content[100:]])))

    def pieces(*some):
        yield from some
        raise AssertionError("more was asked for")

    assert next(only_text("-", pieces(b"{", b"}\n"))) == b"{"
    assert next(only_text("-", pieces(b"{", b""))) == b"{"


def test_the_content_before_damage_is_not_lost():
    """Even if the content is too short to be recognised."""

    def pieces():
        yield b"{}"
        raise SourceError("cut")

    read = only_text("-", pieces())
    assert next(read) == b"{}"
    with pytest.raises(SourceError, match="cut"):
        next(read)

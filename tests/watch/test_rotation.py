"""Rotation: files that are renamed, copied, truncated or compressed while they are followed."""

import gzip
import io
import os
import time
from dataclasses import dataclass

import pytest

from behavstats.sources.compression import zstd
from behavstats.watch.rotation import is_contained, is_likely_copy, is_rotated, unrotated
from tests.support.edge import wait_until
from tests.support.followed import BAD, drain, following, lines, sources, users

ROTATED = {
    "app.log": [
        "app.log.1",
        "app.log.1.gz",
        "app.log.12.zst",
        "app.log-20261124",
        "app.log-20261124.gz",
        "app.log20261124",
        "app.log.2026-11-24",
        "app.log.2026-11-24_12-00-00",
        "app.log-2026-11-24-1795521600",
        "app.log.2026-11-24T12:00:00+0100",
        "app.log_2026-W48",
        "app.log.24Nov2026",
        "app.1.log",
        "app.log.1.jsonl.gz",
        "app-20261124.log.gz",
    ],
    "ev.jsonl": [
        "ev.1.jsonl",
        "ev.1.jsonl.gz",
        "ev-20261124.jsonl",
        "ev20261124.jsonl",
        "ev.2026-11-24.jsonl",
        "ev-2026-11-24.1.jsonl.gz",
        "ev-2026-11-24-1.jsonl",
        "ev-11-24-2026-1.jsonl.gz",
        "ev-Nov-24-2026.jsonl",
        "ev.2026-11-24_12-00-00_123456.jsonl",
        "ev.2026-11-24_12-00-00_123456.2.jsonl",
    ],
    "a.b.log": ["a.b.1.log", "a.1.b.log", "a.b.log.1"],
}
OTHERS = {
    "ev.jsonl": ["ev.jsonl", "ev-errors.jsonl", "ev.jsonl.bak", "ev2.jsonl", "ev.errors.1.jsonl"],
    "app.log": ["app.log.bak", "app.log~", "app.log.", "app.log.1.swp", "app2.log", "myapp.1.log"],
    "events.jsonl": ["events2.jsonl", "events-v2.jsonl", "events.1.csv", "events.1.jsonl.bak"],
}


@pytest.mark.parametrize(
    ("name", "rotated"), [(name, one) for name, some in ROTATED.items() for one in some]
)
def test_a_name_with_a_number_or_a_date_is_that_of_a_rotated_file(name, rotated):
    """In the styles of logrotate, logback, log4j, loguru and Python; only in the same folder."""
    assert is_rotated(f"/in/{rotated}", f"/in/{name}")
    assert not is_rotated(f"/in/{rotated}", f"/{name}")
    assert unrotated(f"/in/{rotated}") in {f"/in/{name}", f"/in/{name}.jsonl"}


@pytest.mark.parametrize(
    ("name", "other"), [(name, one) for name, some in OTHERS.items() for one in some]
)
def test_a_name_that_only_begins_alike_is_that_of_another_file(name, other):
    """For example, a second log, or a copy that an editor leaves."""
    assert not is_rotated(f"/in/{other}", f"/in/{name}")


@pytest.mark.parametrize(
    ("name", "original", "common_bytes", "is_copy"),
    [
        ("/in/x", "/in/a.log", 1024, True),
        ("/in/x", None, 1024, True),
        ("/in/x", "/in/a.log", 1023, False),
        ("/in/a.log.1", "/in/a.log", 1, True),
        ("/in/a.log.gz", "/in/a.log", 1, True),
        ("/in/a.log.2", "/in/a.log.1", 1, True),
        ("/in/b.log.1", "/in/a.log", 1, False),
        ("/in/a.log.1", None, 1, False),
    ],
)
def test_a_short_copy_needs_a_related_name(name, original, common_bytes, is_copy):
    """The first 1,024 bytes of two logs are not the same by coincidence; fewer may be."""
    assert is_likely_copy(name, original, common_bytes) == is_copy


@dataclass
class Bytes:
    """A content in memory."""

    data: bytes
    is_compressed: bool = False

    @property
    def size(self):
        return len(self.data)

    def read(self, offset, length):
        return io.BytesIO(self.data[offset:]).read(length)


def test_a_copy_is_contained_in_its_original_up_to_its_last_byte():
    """An original that was truncated, or that is compressed, does not hold the lines any more."""
    whole = lines(*range(100))
    copy = Bytes(whole[:3_000])
    assert is_contained(copy, Bytes(whole))
    assert is_contained(copy, Bytes(copy.data))
    assert not is_contained(copy, Bytes(whole[:2_999]))
    assert not is_contained(Bytes(copy.data[:-1] + b"?"), Bytes(whole))
    assert not is_contained(copy, Bytes(whole, is_compressed=True))


@pytest.mark.parametrize("how", ["folder", "file"])
def test_a_renamed_file_continues_from_its_offset(store, folder, how):
    """Also with what its writer appends later; the new file is read from its beginning."""
    path = folder / "log"
    watched = folder if how == "folder" else path
    path.write_bytes(lines(1) + BAD)
    drain(store, watched)
    with path.open("ab", buffering=0) as writer:
        writer.write(lines(2))
        path.rename(folder / "log.1")
        path.write_bytes(lines(10))
        drain(store, watched)
        writer.write(lines(3))
    report = drain(store, watched)
    assert (report.read, users(store)) == (1, {1, 2, 3, 10})
    assert store.rejected.totals().lines == 1
    assert sources(store)["log.1"][1:] == (4, 1)


@pytest.mark.parametrize("name", ["ev.1.jsonl", "ev-2026-11-24.jsonl", "ev-old.jsonl"])
def test_lines_written_just_before_a_rename_are_read_from_the_renamed_file(store, folder, name):
    """Whatever the new name; other logs beside it do not count."""
    log = folder / "ev.jsonl"
    log.write_bytes(lines(1) + BAD)
    (folder / "ev-errors.jsonl").write_bytes(lines(9))
    drain(store, log)
    with log.open("ab") as file:
        file.write(lines(2))
    log.rename(folder / name)
    log.write_bytes(lines(3))
    drain(store, log)
    assert users(store) == {1, 2, 3}
    assert store.rejected.totals().lines == 1
    assert sources(store)[name][1:] == (3, 1)


@pytest.mark.parametrize("rotated", ["ev.jsonl.1", "ev.1.jsonl", "ev-20261124.jsonl.gz"])
def test_a_file_rotated_before_its_first_line_was_read_is_read(store, folder, rotated):
    """A named file is followed from the first start; what was rotated earlier is not read."""
    log = folder / "ev.jsonl"
    (folder / "ev.9.jsonl").write_bytes(lines(9))
    os.utime(folder / "ev.9.jsonl", (1, 1))
    log.touch()
    drain(store, log)
    (folder / "ev2.jsonl").write_bytes(lines(8))
    packed = gzip.compress(lines(1)) if rotated.endswith(".gz") else lines(1)
    (folder / rotated).write_bytes(packed)
    os.utime(folder / rotated, (time.time() + 10, time.time() + 10))  # a file's time has a grain
    log.write_bytes(lines(2))
    drain(store, log)
    assert users(store) == {1, 2}


def test_files_beside_a_followed_file_are_not_read(store, folder):
    """Unless they hold what that file held."""
    (folder / "log.2").write_bytes(lines(9))
    (folder / "log").write_bytes(lines(1))
    drain(store, folder / "log")
    assert users(store) == {1}


def test_files_rotated_between_two_runs_are_read(store, folder):
    """If they were rotated from a followed file; others with similar names are not."""
    (folder / "log.1").write_bytes(lines(9))
    (folder / "log").write_bytes(lines(1))
    drain(store, folder / "log")
    (folder / "log").rename(folder / "log.3")
    (folder / "log.2.gz").write_bytes(gzip.compress(lines(2)))
    (folder / "log.1").unlink()
    (folder / "log.1").write_bytes(lines(3))
    for new in ("log.1", "log.2.gz"):  # a file's time has a grain
        os.utime(folder / new, (time.time() + 10, time.time() + 10))
    (folder / "log.errors").write_bytes(lines(8))
    (folder / "log").write_bytes(lines(4))
    drain(store, folder / "log")
    assert users(store) == {1, 2, 3, 4}


@pytest.mark.parametrize("how", ["folder", "file"])
@pytest.mark.parametrize("grown", [0, 1, 5])
def test_a_truncated_file_is_read_from_its_beginning_however_far_it_has_grown(
    store, folder, how, grown
):
    """And the copy that was made before continues from the offset."""
    path = folder / "log"
    watched = folder if how == "folder" else path
    path.write_bytes(BAD + lines(1, 2))
    drain(store, watched)
    (folder / "log.1").write_bytes(path.read_bytes() + lines(3))
    path.write_bytes(lines(*range(10, 10 + grown)))
    report = drain(store, watched)
    assert report.read == 1 + grown
    assert users(store) == {1, 2, 3, *range(10, 10 + grown)}
    assert store.rejected.totals().lines == 1
    assert sources(store)["log.1"][1:] == (4, 1)
    assert drain(store, watched).read == 0


def test_an_unfinished_copy_is_not_read_while_its_original_is_there(store, folder):
    """All its lines are read from the original."""
    many = lines(*range(100))
    (folder / "log").write_bytes(many + BAD)
    drain(store, folder)
    (folder / "z").write_bytes(many[: len(many) // 2])
    assert drain(store, folder).read == 0
    (folder / "z").write_bytes(many + BAD)
    os.truncate(folder / "log", 0)
    assert drain(store, folder).read == 0
    assert sources(store) == {"z": (len(many + BAD), 101, 1)}


def test_a_new_file_with_the_inode_of_a_deleted_one_is_read_from_its_beginning(store, folder):
    """File systems reuse inodes at once."""
    path = folder / "a"
    path.write_bytes(lines(1, 2, 3))
    drain(store, folder)
    inode = path.stat().st_ino
    with path.open("r+b") as file:  # the same inode, whatever the file system does
        file.write(lines(7, 8, 9, 10))
    assert path.stat().st_ino == inode
    drain(store, folder)
    assert users(store) == {1, 2, 3, 7, 8, 9, 10}


def test_two_files_with_the_same_first_line_are_told_apart(store, folder):
    """Whichever is read first."""
    (folder / "a").write_bytes(BAD + lines(1))
    drain(store, folder)
    (folder / "b").write_bytes(BAD + lines(2))
    drain(store, folder)
    (folder / "b").write_bytes(BAD + lines(2, 3))
    (folder / "a").write_bytes(BAD + lines(1, 4))
    drain(store, folder)
    assert users(store) == {1, 2, 3, 4}
    assert store.rejected.totals().lines == 2
    assert [lines for _, lines, _ in sources(store).values()] == [3, 3]


@pytest.mark.parametrize(("pack", "suffix"), [(gzip.compress, ".gz"), (zstd.compress, ".zst")])
def test_a_rotated_file_that_is_compressed_is_not_read_twice(store, folder, pack, suffix):
    """Erased users do not return with it, and lines that were not read before are read."""
    path = folder / "log"
    path.write_bytes(lines(1, 2) + BAD)
    drain(store, folder)
    store.forget("u1")
    packed = pack(path.read_bytes() + lines(3))
    path.unlink()
    to = folder / f"log{suffix}"
    to.write_bytes(packed[:-3])
    drain(store, folder)
    to.write_bytes(packed)
    report = drain(store, folder)
    assert (report.read, users(store)) == (1, {2, 3})
    assert store.rejected.totals().lines == 1
    assert sources(store) == {to.name: (len(lines(1, 2, 3) + BAD), 4, 1)}


def test_a_compressed_file_waits_until_it_is_complete(store, folder, caplog):
    """Then all of it is read; the problem is logged once."""
    packed = gzip.compress(lines(1, 2, 3))
    (folder / "a.gz").write_bytes(packed[:-5])
    with following(store, folder) as watcher:
        wait_until(lambda: watcher.report.failures)
        assert users(store) == set()
        with (folder / "a.gz").open("ab") as file:
            file.write(packed[-5:])
        wait_until(lambda: users(store) == {1, 2, 3})
    messages = [record.getMessage() for record in caplog.records]
    assert sum("a.gz" in message and "decompressed" in message for message in messages) == 1

"""Rotation: files that are renamed, copied, truncated or compressed while they are followed."""

import gzip
import os
import time

import pytest

from behavstats.sources import zstd
from tests.edge import wait_until
from tests.followed import BAD, drain, following, lines, sources, users


@pytest.mark.parametrize("how", ["folder", "file"])
def test_a_renamed_file_goes_on_where_it_was(store, folder, how):
    """Also what its writer, that has it open, appends later; and the new one begins."""
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
    assert store.count_rejections() == 1
    assert sources(store)["log.1"][1:] == (4, 1)


def test_beside_a_file_that_is_followed_others_do_not_count(store, folder):
    """Unless they hold what it held."""
    (folder / "log.2").write_bytes(lines(9))
    (folder / "log").write_bytes(lines(1))
    drain(store, folder / "log")
    assert users(store) == {1}


def test_what_was_rotated_while_nobody_watched_is_taken(store, folder):
    """Of a file that is followed by its name; other files of such names are not."""
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
def test_a_truncated_file_begins_anew_however_far_it_has_grown(store, folder, how, grown):
    """And of the copy that was made before, what is new is taken."""
    path = folder / "log"
    watched = folder if how == "folder" else path
    path.write_bytes(BAD + lines(1, 2))
    drain(store, watched)
    (folder / "log.1").write_bytes(path.read_bytes() + lines(3))
    path.write_bytes(lines(*range(10, 10 + grown)))
    report = drain(store, watched)
    assert report.read == 1 + grown
    assert users(store) == {1, 2, 3, *range(10, 10 + grown)}
    assert store.count_rejections() == 1
    assert sources(store)["log.1"][1:] == (4, 1)
    assert drain(store, watched).read == 0


def test_a_copy_in_the_making_waits_for_what_becomes_of_its_original(store, folder):
    """All its lines are that one's."""
    many = lines(*range(100))
    (folder / "log").write_bytes(many + BAD)
    drain(store, folder)
    (folder / "z").write_bytes(many[: len(many) // 2])
    assert drain(store, folder).read == 0
    (folder / "z").write_bytes(many + BAD)
    os.truncate(folder / "log", 0)
    assert drain(store, folder).read == 0
    assert sources(store) == {"z": (len(many + BAD), 101, 1)}


def test_another_file_with_the_inode_of_one_that_is_gone_is_another(store, folder):
    """As file systems reuse them at once."""
    path = folder / "a"
    path.write_bytes(lines(1, 2, 3))
    drain(store, folder)
    inode = path.stat().st_ino
    with path.open("r+b") as file:  # the same inode, whatever the file system does
        file.write(lines(7, 8, 9, 10))
    assert path.stat().st_ino == inode
    drain(store, folder)
    assert users(store) == {1, 2, 3, 7, 8, 9, 10}


def test_two_files_with_the_same_first_line_are_two(store, folder):
    """Whichever is taken first."""
    (folder / "a").write_bytes(BAD + lines(1))
    drain(store, folder)
    (folder / "b").write_bytes(BAD + lines(2))
    drain(store, folder)
    (folder / "b").write_bytes(BAD + lines(2, 3))
    (folder / "a").write_bytes(BAD + lines(1, 4))
    drain(store, folder)
    assert users(store) == {1, 2, 3, 4}
    assert store.count_rejections() == 2
    assert [lines for _, lines, _ in sources(store).values()] == [3, 3]


@pytest.mark.parametrize(("pack", "suffix"), [(gzip.compress, ".gz"), (zstd.compress, ".zst")])
def test_a_rotated_file_that_is_compressed_is_not_taken_twice(store, folder, pack, suffix):
    """Nor do the lines come back of who was forgotten; but what had not been taken is."""
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
    assert store.count_rejections() == 1
    assert sources(store) == {to.name: (len(lines(1, 2, 3) + BAD), 4, 1)}


def test_a_compressed_file_waits_until_it_is_complete(store, folder, caplog):
    """Then all of it is taken; what is wrong is said once."""
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

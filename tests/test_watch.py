"""Watching: what is done to files and folders, and what is taken of them."""

import gzip
import os
import socket
import sqlite3
import time

import pytest

from behavstats import taking, watch
from behavstats.errors import SourceError, UnknownUser
from behavstats.events import MAX_LINE_BYTES
from behavstats.settings import system_clock
from behavstats.sources import zstd
from behavstats.stopping import Stop
from behavstats.watch import Watcher
from tests.watched import BAD, drain, good, lines, sources, users


def test_what_is_there_is_taken_once(store, folder):
    """Of a folder, with all that is below it."""
    (folder / "a").write_bytes(lines(1, 2) + BAD)
    (folder / "2024/03").mkdir(parents=True)
    (folder / "2024/03/b").write_bytes(lines(3))
    report = drain(store, folder)
    assert (report.read, report.added, report.rejected.total()) == (4, 3, 1)
    assert users(store) == {1, 2, 3}
    assert sources(store) == {"a": (len(lines(1, 2) + BAD), 3, 1), "b": (len(lines(3)), 1, 0)}
    assert drain(store, folder).read == 0


def test_a_line_without_its_newline_waits_also_across_a_restart(store, folder):
    """It is no line yet."""
    (folder / "a").write_bytes(lines(1) + good(2)[:-1])
    for _ in range(2):
        drain(store, folder)
        assert users(store) == {1}
        assert store.sources()[0].lag == len(good(2)) - 1
    with (folder / "a").open("ab") as file:
        file.write(b"\n")
    drain(store, folder)
    assert users(store) == {1, 2}
    assert store.count_rejections() == 0


def test_an_empty_file_is_not_known_by_anything(store, folder):
    """It may become any."""
    (folder / "a").touch()
    drain(store, folder)
    assert store.sources() == []


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


def test_what_cannot_be_followed_is_named_once_and_the_rest_goes_on(store, folder, caplog):
    """Pipes, sockets, devices, links in a circle or to nothing; folders in a circle are no harm."""
    os.mkfifo(folder / "pipe")
    (folder / "device").symlink_to("/dev/null")
    (folder / "nothing").symlink_to(folder / "missing")
    (folder / "circle").symlink_to(folder / "circle")
    (folder / "again").symlink_to(folder)
    (folder / "a").write_bytes(lines(1))
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(folder)
        server.bind("socket")
        watcher = Watcher([str(folder)], store, system_clock, Stop())
        for _ in range(3):
            watcher.drain()
    assert users(store) == {1}
    named = [record.getMessage().partition(":")[0] for record in caplog.records]
    for name in ("pipe", "device", "nothing", "circle", "socket"):
        assert named.count(str(folder / name)) == 1
    assert str(folder / "again") not in named


def test_without_any_of_its_paths_there_is_nothing_to_follow(store, tmp_path):
    """Which is more likely a mistake than a plan; with one of them, the others may come."""
    with pytest.raises(SourceError, match="missing"):
        drain(store, tmp_path / "missing")
    (tmp_path / "a").write_bytes(lines(1))
    report = drain(store, tmp_path / "missing", tmp_path / "a")
    assert (report.read, len(report.failures)) == (1, 1)


def test_a_file_is_followed_by_the_first_of_its_names(store, folder):
    """Links, and a file that is named beside its folder."""
    (folder / "a").write_bytes(lines(1) + BAD)
    os.link(folder / "a", folder / "b")
    (folder / "c").symlink_to(folder / "a")
    watcher = Watcher([str(folder), str(folder / "a")], store, system_clock, Stop())
    for _ in range(3):
        watcher.drain()
    assert watcher.report.read == 2
    assert set(sources(store)) == {"a"}


def test_a_line_of_many_mib_is_rejected_when_it_ends(store, folder):
    """And is not searched for its end again and again."""
    with (folder / "a").open("ab", buffering=0) as file:
        file.write(lines(1) + b"x" * (3 * MAX_LINE_BYTES))
        watcher = Watcher([str(folder)], store, system_clock, Stop())
        watcher.drain()
        assert users(store) == {1}
        file.write(b"x\n" + lines(2))
    watcher.drain()
    assert users(store) == {1, 2}
    (rejection,) = store.rejections()
    assert (rejection.line, rejection.length) == (2, 3 * MAX_LINE_BYTES + 1)
    assert sources(store)["a"][1:] == (3, 1)


def test_thousands_of_files_are_followed(store, folder):
    """Without a descriptor for each."""
    for number in range(1_000):
        (folder / f"{number}").write_bytes(good(number))
    report = drain(store, folder)
    assert report.added == len(store.sources()) == 1_000
    assert drain(store, folder).read == 0


def test_a_large_file_leaves_others_their_turn(store, folder, monkeypatch):
    """Also those that come while it is taken."""
    monkeypatch.setattr(taking, "_SHARE", 1_000)
    monkeypatch.setattr(taking, "_SCAN_AGAIN", 0.0)
    monkeypatch.setattr("behavstats.sources._BLOCK_LINES", 10)
    (folder / "a").write_bytes(lines(*range(500)))
    appeared = []
    scan = watch.Scan.files

    def scan_and_add(self):
        if self._whole and not appeared:
            (folder / "b").write_bytes(lines(1_000))
            appeared.append(True)
        return scan(self)

    monkeypatch.setattr(watch.Scan, "files", scan_and_add)
    report = drain(store, folder)
    assert report.added == 501


def test_a_source_that_is_forgotten_is_taken_anew(store, folder):
    """Which adds nothing that is there."""
    (folder / "a").write_bytes(lines(1) + BAD)
    drain(store, folder)
    store.forget_source(str(folder / "a"))
    assert drain(store, folder).read == 2
    assert store.count_rejections() == 1


def test_a_step_of_the_clock_does_no_harm(store, folder):
    """Neither into the past nor into the future."""
    now = [system_clock()]
    watcher = Watcher([str(folder)], store, lambda: now[0], Stop())
    for number, step in enumerate((0, -(10**9), 10**9, 0)):
        now[0] = system_clock() + step
        with (folder / "a").open("ab") as file:
            file.write(good(number))
        watcher.drain()
        assert users(store) == set(range(number + 1))
    with pytest.raises(UnknownUser):
        store.forget("u99")


def test_the_store_is_one_that_sqlite_has_no_objection_to(store, folder):
    """After all sorts of changes to how far files were taken."""
    for number in range(5):
        (folder / f"log.{number}").write_bytes(lines(number))
        drain(store, folder)
        (folder / f"log.{number}").rename(folder / f"log.{number}.old")
    drain(store, folder)
    assert list(store.check()) == []
    with sqlite3.connect(store.path) as connection:
        names = connection.execute("SELECT count(name), count(*) FROM source").fetchone()
    connection.close()
    assert names == (5, 10)

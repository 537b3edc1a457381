"""Watching: which lines of files and folders are ingested, and when."""

import logging
import os
import socket
import sqlite3
import time

import pytest

from behavstats.clock import system_clock
from behavstats.errors import SourceError, StoreUnavailable, UnknownUser
from behavstats.model.line_block import MAX_LINE_BYTES
from behavstats.shutdown import Stop
from behavstats.store import EVERYTHING, create_store, open_store
from behavstats.watch import reader, watcher
from behavstats.watch.watcher import Watcher
from tests.support.edge import wait_until
from tests.support.followed import BAD, drain, following, good, lines, sources, users


def test_each_line_is_ingested_once(store, folder):
    """From a folder and everything below it."""
    (folder / "a").write_bytes(lines(1, 2) + BAD)
    (folder / "2024/03").mkdir(parents=True)
    (folder / "2024/03/b").write_bytes(lines(3))
    report = drain(store, folder)
    assert (report.read, report.added, report.rejected.total()) == (4, 3, 1)
    assert users(store) == {1, 2, 3}
    assert sources(store) == {"a": (len(lines(1, 2) + BAD), 3, 1), "b": (len(lines(3)), 1, 0)}
    assert drain(store, folder).read == 0


def test_appended_lines_and_new_files_are_ingested_soon(store, folder):
    """Within a second, if the machine is not busy."""
    (folder / "a").write_bytes(lines(1))
    with following(store, folder):
        wait_until(lambda: users(store) == {1})
        with (folder / "a").open("ab") as file:
            file.write(lines(2))
        wait_until(lambda: users(store) == {1, 2})
        (folder / "b").write_bytes(lines(3))
        (folder / "new").mkdir()
        (folder / "new/c").write_bytes(lines(4))
        wait_until(lambda: users(store) == {1, 2, 3, 4})


def test_a_line_without_its_newline_waits_across_a_restart(store, folder):
    """It is not a line yet, and counts as lag."""
    (folder / "a").write_bytes(lines(1) + good(2)[:-1])
    for _ in range(2):
        drain(store, folder)
        assert users(store) == {1}
        assert store.offsets.all()[0].lag == len(good(2)) - 1
    with (folder / "a").open("ab") as file:
        file.write(b"\n")
    drain(store, folder)
    assert users(store) == {1, 2}
    assert store.rejected.totals().lines == 0


def test_no_offset_is_stored_for_an_empty_file(store, folder):
    """Nothing tells one empty file from another."""
    (folder / "a").touch()
    drain(store, folder)
    assert store.offsets.all() == []


def test_paths_that_cannot_be_followed_are_logged_once_and_the_rest_is_read(store, folder, caplog):
    """Pipes, sockets, devices, circular and broken links; circular folders do no harm."""
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


def test_hidden_files_and_those_of_the_store_are_not_read(folder):
    """A followed folder may hold both."""
    with create_store(folder / "store.db", lock_timeout=5) as store:
        (folder / ".a.swp").write_bytes(lines(1))
        (folder / ".git").mkdir()
        (folder / ".git/b").write_bytes(lines(2))
        (folder / "store.db.jsonl").write_bytes(lines(3))
        with following(store, folder) as watcher:
            wait_until(lambda: users(store) == {3})
            time.sleep(0.5)
            assert watcher.report.read == 1
        assert set(sources(store)) == {"store.db.jsonl"}


def test_a_folder_may_disappear_and_come_back(store, folder, caplog, monkeypatch):
    """Its lines are not ingested again."""
    monkeypatch.setattr(watcher, "_POLL", 0.2)
    caplog.set_level(logging.INFO)
    (folder / "a").write_bytes(lines(1) + BAD)
    with following(store, folder):
        wait_until(lambda: users(store) == {1})
        folder.rename(folder.with_name("away"))
        wait_until(lambda: "is gone" in caplog.text)
        folder.with_name("away").rename(folder)
        (folder / "b").write_bytes(lines(2))
        wait_until(lambda: users(store) == {1, 2})
    assert store.rejected.totals().lines == 1
    assert sources(store)["a"][1:] == (2, 1)


def test_following_needs_one_of_the_paths(store, tmp_path):
    """If all are missing, that is most likely a mistake; if one is there, others may appear."""
    with pytest.raises(SourceError, match="missing"):
        drain(store, tmp_path / "missing")
    (tmp_path / "a").write_bytes(lines(1))
    report = drain(store, tmp_path / "missing", tmp_path / "a")
    assert (report.read, len(report.failures)) == (1, 1)


def test_a_file_with_several_names_is_followed_by_the_first(store, folder):
    """Through links, and if a file is named as well as its folder."""
    (folder / "a").write_bytes(lines(1) + BAD)
    os.link(folder / "a", folder / "b")
    (folder / "c").symlink_to(folder / "a")
    watcher = Watcher([str(folder), str(folder / "a")], store, system_clock, Stop())
    for _ in range(3):
        watcher.drain()
    assert watcher.report.read == 2
    assert set(sources(store)) == {"a"}


def test_an_overlong_line_is_rejected_when_it_ends(store, folder):
    """Until then, its bytes are not searched again and again."""
    with (folder / "a").open("ab", buffering=0) as file:
        file.write(lines(1) + b"x" * (3 * MAX_LINE_BYTES))
        watcher = Watcher([str(folder)], store, system_clock, Stop())
        watcher.drain()
        assert users(store) == {1}
        file.write(b"x\n" + lines(2))
    watcher.drain()
    assert users(store) == {1, 2}
    ((_, rejection),) = store.rejected.read(EVERYTHING)
    assert (rejection.line, rejection.length) == (2, 3 * MAX_LINE_BYTES + 1)
    assert sources(store)["a"][1:] == (3, 1)


def test_thousands_of_files_are_followed(store, folder):
    """They are not kept open."""
    for number in range(1_000):
        (folder / f"{number}").write_bytes(good(number))
    report = drain(store, folder)
    assert report.added == len(store.offsets.all()) == 1_000
    assert drain(store, folder).read == 0


def test_a_large_file_leaves_other_files_their_turn(store, folder, monkeypatch):
    """Also files that appear while it is read."""
    monkeypatch.setattr(reader, "_SHARE_BYTES", 1_000)
    monkeypatch.setattr(reader, "_RESCAN_SECONDS", 0.0)
    monkeypatch.setattr("behavstats.sources.line_blocks._BLOCK_LINES", 10)
    (folder / "a").write_bytes(lines(*range(500)))
    appeared = []
    scan = watcher.FileScanner.files

    def scan_and_add(self):
        if self.folders and not appeared:
            (folder / "b").write_bytes(lines(1_000))
            appeared.append(True)
        return scan(self)

    monkeypatch.setattr(watcher.FileScanner, "files", scan_and_add)
    report = drain(store, folder)
    assert report.added == 501


def test_a_full_store_is_tried_again_until_there_is_room(store, folder, caplog):
    """Logged once, and once when it works again; nothing is lost."""
    store.add([])
    pages = store.database.writer.execute("PRAGMA page_count").fetchone()[0]
    store.database.writer.execute(f"PRAGMA max_page_count = {pages}")
    (folder / "a").write_bytes(lines(*range(3_000)) + BAD)
    caplog.set_level(logging.INFO)
    with following(store, folder):
        wait_until(lambda: "trying again" in caplog.text)
        time.sleep(1.2)
        assert users(store) == set()
        store.database.writer.execute("PRAGMA max_page_count = 1000000")
        wait_until(lambda: len(users(store)) == 3_000)
        wait_until(lambda: "written to again" in caplog.text)
    assert caplog.text.count("trying again") == 1
    assert store.rejected.totals().lines == 1
    assert list(store.check()) == []


def test_a_full_store_is_an_error_with_once(store, folder):
    """No offset is stored."""
    store.add([])
    pages = store.database.writer.execute("PRAGMA page_count").fetchone()[0]
    store.database.writer.execute(f"PRAGMA max_page_count = {pages}")
    (folder / "a").write_bytes(lines(*range(3_000)))
    with pytest.raises(StoreUnavailable, match="full"):
        drain(store, folder)
    assert store.offsets.all() == []


def test_two_watchers_of_the_same_files_ingest_each_line_once(store, db, folder):
    """The slower one finds that its offsets are out of date, and looks again."""
    with (
        open_store(db, lock_timeout=10) as other,
        following(store, folder),
        following(other, folder),
    ):
        for number in range(60):
            with (folder / "a").open("ab") as file:
                file.write(good(number) + b'{"bad": %d}\n' % number)
        wait_until(lambda: len(users(store)) == 60)
        wait_until(lambda: store.rejected.totals().lines == 60)
    assert sources(store)["a"][1:] == (120, 60)


def test_a_forgotten_source_is_read_again(store, folder):
    """Nothing is added twice."""
    (folder / "a").write_bytes(lines(1) + BAD)
    drain(store, folder)
    store.offsets.forget(str(folder / "a"))
    assert drain(store, folder).read == 2
    assert store.rejected.totals().lines == 1


def test_scans_find_changes_if_the_system_reports_none(store, folder, monkeypatch, caplog):
    """For example, because the limit of watches is reached."""

    def refuse(*_, **__):
        raise OSError("OS file watch limit reached")
        yield

    monkeypatch.setattr("watchfiles.watch", refuse)
    monkeypatch.setattr(watcher, "_POLL", 0.1)
    with following(store, folder):
        (folder / "a").write_bytes(lines(1))
        wait_until(lambda: users(store) == {1})
    assert "limit reached" in caplog.text


def test_a_jump_of_the_clock_does_no_harm(store, folder):
    """Backwards or forwards."""
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


def test_the_store_passes_its_check_after_many_rotations(store, folder):
    """The names of files that are gone were erased."""
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

"""Watching as it goes on: what comes is taken, and what is in the way is waited for."""

import gzip
import logging
import threading
import time
from contextlib import contextmanager

import pytest

from behavstats import watch
from behavstats.errors import StoreUnavailable
from behavstats.settings import system_clock
from behavstats.stopping import Stop
from behavstats.store import Store
from behavstats.watch import Watcher
from tests.edge import wait_until
from tests.watched import BAD, drain, good, lines, sources, users


@contextmanager
def following(store, *paths):
    """Follow in a thread."""
    stop = Stop()
    watcher = Watcher([str(path) for path in paths], store, system_clock, stop)
    thread = threading.Thread(target=watcher.follow)
    thread.start()
    try:
        yield watcher
    finally:
        stop.set()
        thread.join(timeout=30)
    assert not thread.is_alive()


def test_appended_lines_and_new_files_are_taken_soon(store, folder):
    """Within a second, where the machine is not busy."""
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


def test_hidden_files_and_those_of_the_store_are_not_taken(folder):
    """A folder may hold both."""
    with Store.create(folder / "store.db", patience=5) as store:
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
    """What was taken is not taken again."""
    monkeypatch.setattr(watch, "_POLL", 0.2)
    caplog.set_level(logging.INFO)
    (folder / "a").write_bytes(lines(1) + BAD)
    with following(store, folder):
        wait_until(lambda: users(store) == {1})
        folder.rename(folder.with_name("away"))
        wait_until(lambda: "is gone" in caplog.text)
        folder.with_name("away").rename(folder)
        (folder / "b").write_bytes(lines(2))
        wait_until(lambda: users(store) == {1, 2})
    assert store.count_rejections() == 1
    assert sources(store)["a"][1:] == (2, 1)


def test_a_store_without_room_is_tried_again_until_there_is(store, folder, caplog):
    """Said once, and once when it goes on; nothing is lost."""
    store.add([])
    pages = store._writer.execute("PRAGMA page_count").fetchone()[0]
    store._writer.execute(f"PRAGMA max_page_count = {pages}")
    (folder / "a").write_bytes(lines(*range(3_000)) + BAD)
    caplog.set_level(logging.INFO)
    with following(store, folder):
        wait_until(lambda: "trying again" in caplog.text)
        time.sleep(1.2)
        assert users(store) == set()
        store._writer.execute("PRAGMA max_page_count = 1000000")
        wait_until(lambda: len(users(store)) == 3_000)
        wait_until(lambda: "written to again" in caplog.text)
    assert caplog.text.count("trying again") == 1
    assert store.count_rejections() == 1
    assert list(store.check()) == []


def test_once_a_store_without_room_is_an_error(store, folder):
    """For whoever runs it to see."""
    store.add([])
    pages = store._writer.execute("PRAGMA page_count").fetchone()[0]
    store._writer.execute(f"PRAGMA max_page_count = {pages}")
    (folder / "a").write_bytes(lines(*range(3_000)))
    with pytest.raises(StoreUnavailable, match="disk is full"):
        drain(store, folder)
    assert store.sources() == []


def test_two_that_follow_the_same_files_take_each_line_once(store, db, folder):
    """One finds that the other was faster, and looks again."""
    with (
        Store.open(db, patience=10) as other,
        following(store, folder),
        following(other, folder),
    ):
        for number in range(60):
            with (folder / "a").open("ab") as file:
                file.write(good(number) + b'{"bad": %d}\n' % number)
        wait_until(lambda: len(users(store)) == 60)
        wait_until(lambda: store.count_rejections() == 60)
    assert sources(store)["a"][1:] == (120, 60)


def test_where_no_changes_are_told_of_they_are_looked_for(store, folder, monkeypatch, caplog):
    """As without any watches left."""

    def refuse(*_, **__):
        raise OSError("OS file watch limit reached")
        yield

    monkeypatch.setattr("watchfiles.watch", refuse)
    monkeypatch.setattr(watch, "_POLL_ALONE", 0.1)
    with following(store, folder):
        (folder / "a").write_bytes(lines(1))
        wait_until(lambda: users(store) == {1})
    assert "limit reached" in caplog.text

"""`behavstats watch` and `behavstats sources` as processes: signals, exit codes, output."""

import json
import os
import pty
import random
import signal
import subprocess
import threading
import time
from contextlib import suppress

import pytest

from behavstats.clock import system_clock
from behavstats.model.page_view import PageView
from behavstats.shutdown import Stop
from behavstats.store import open_store
from behavstats.store.sqlite.lock import StoreLock
from behavstats.watch.watcher import Watcher
from tests.cli.conftest import one_line
from tests.conftest import BEHAVSTATS
from tests.support.edge import is_waited_for, wait_until
from tests.support.histories import AS_OF, line
from tests.support.stores import rejections_of

BAD = b'{"bad": 1}\n'


def lines(start, end):
    return b"".join(line(PageView(f"u{n % 97}", AS_OF + n, "/")) for n in range(start, end))


@pytest.fixture
def watch(cli, tmp_path):
    """Start `behavstats watch`; processes that still run at the end are killed."""
    running = []

    def start(*arguments):
        path = tmp_path / f"log{len(running)}"
        log = path.open("wb")
        process = subprocess.Popen(
            [BEHAVSTATS, "watch", *arguments], stderr=log, env=cli.environment
        )
        process.log = path
        running.append((process, log))
        wait_until(lambda: process.poll() is not None or b"follows" in path.read_bytes())
        return process

    yield start
    for process, log in running:
        process.kill()
        process.wait()
        log.close()


def page_views(db):
    if not db.exists():
        return 0
    with open_store(db, lock_timeout=10) as store:
        return store.counts()[0]


def test_once_stores_what_is_there_and_stops(cli, db, folder):
    """The exit code is 1 if a line was rejected, and 3 if a file could not be read."""
    (folder / "a.jsonl").write_bytes(lines(0, 10))
    assert cli("watch", str(folder), "--once").returncode == 0
    (folder / "b.jsonl").write_bytes(lines(10, 20) + BAD)
    assert cli("watch", "in", "--once").returncode == 1
    done = cli("watch", str(folder), "missing", "--once")
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"missing: No such file or directory" in done.stderr
    assert page_views(db) == 20


def test_the_hint_to_list_rejected_lines_names_the_store(cli, folder):
    """The default store needs no option."""
    (folder / "a.jsonl").write_bytes(BAD)
    done = cli("watch", "in", "--once")
    assert b"1 rejected (listed by: behavstats rejects)" in done.stderr
    done = cli("watch", "in", "--once", "--db", "other.db")
    assert b"1 rejected (listed by: behavstats rejects --db other.db)" in done.stderr


def test_watch_fails_if_there_is_nothing_to_watch(cli):
    """The exit code is 3 if the folder does not exist or, with --once, the file."""
    for arguments in (["missing/new.jsonl"], ["new.jsonl", "--once"]):
        done = cli("watch", *arguments)
        assert done.returncode == 3
        assert b"jsonl: No such file" in done.stderr
        assert b"Traceback" not in done.stderr


def test_watch_waits_for_a_file_in_an_existing_folder(db, folder, watch):
    """The file is stored once it exists, also if it is rotated at once."""
    process = watch(str(folder / "new.jsonl"))
    assert process.poll() is None
    wait_until(lambda: b"waiting for it" in process.log.read_bytes())
    (folder / "first").write_bytes(lines(0, 3))
    (folder / "first").rename(folder / "new.1.jsonl")
    (folder / "new.jsonl").write_bytes(lines(3, 6))
    wait_until(lambda: page_views(db) == 6)


def test_a_source_can_be_forgotten_if_its_name_is_not_utf_8(cli, folder):
    """By its name, or in the form in which it is listed."""
    for name in ("log\udcff", "log\\xff"):
        path = folder / "log\udcff"
        path.write_bytes(lines(0, 2))
        assert cli("watch", str(path), "--once").returncode == 0
        done = cli("sources", "--forget-source", str(folder / name))
        assert (done.returncode, done.stderr) == (0, b"")


def test_watch_stops_even_if_another_process_holds_the_store(db, folder, watch):
    """Lines that it could not store are stored the next time."""
    (folder / "a.jsonl").write_bytes(lines(0, 3))
    process = watch(str(folder))
    wait_until(lambda: page_views(db) == 3)
    with StoreLock(db, lock_timeout=30).held():
        (folder / "b.jsonl").write_bytes(lines(3, 6))
        wait_until(lambda: is_waited_for(db))
        process.terminate()
        assert process.wait(timeout=30) == 0
    assert page_views(db) == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_watch_stores_lines_in_progress_and_stops(db, folder, watch, number):
    """The exit code is 0, and the next run continues there."""
    (folder / "a.jsonl").write_bytes(lines(0, 60_000))
    process = watch(str(folder))
    wait_until(lambda: page_views(db))
    process.send_signal(number)
    assert process.wait(timeout=60) == 0
    with open_store(db, lock_timeout=10) as store:
        (source,) = store.offsets.all()
        assert source.checkpoint.offset == len(lines(0, source.checkpoint.lines))
        assert source.checkpoint.lines == store.counts()[0]
    with open_store(db, lock_timeout=10) as store:
        Watcher([str(folder)], store, system_clock, Stop()).drain()
        assert store.counts()[0] == 60_000


def test_watch_killed_at_any_moment_loses_and_doubles_nothing(db, folder, watch):
    """While a writer goes on writing and rotates its file."""
    rng = random.Random(5)
    written = []

    def write():
        for part in range(30):
            with (folder / "log").open("ab") as file:
                file.write(lines(part * 500, part * 500 + 500) + b'{"bad": %d}\n' % part)
            written.append(part)
            if part % 7 == 6:
                (folder / "log").rename(folder / f"log.{part}")
            time.sleep(0.1)

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        process = watch(str(folder))
        time.sleep(rng.uniform(0.05, 0.6))
        process.kill()
        process.wait()
    writer.join()
    process = watch(str(folder), "--once")
    assert process.wait(timeout=60) in {0, 1}
    with open_store(db, lock_timeout=10) as store:
        assert store.counts()[0] == 15_000
        rejected = sorted(bad.text for bad in rejections_of(store))
        assert rejected == sorted(b'{"bad": %d}' % part for part in written)
        assert sum(source.checkpoint.lines for source in store.offsets.all()) == 15_030
        assert sum(source.rejected for source in store.offsets.all()) == 30
        assert list(store.check()) == []


def test_sources_lists_how_far_each_file_has_been_read(cli, folder):
    """With its current size; a source can be forgotten."""
    (folder / "a.jsonl").write_bytes(lines(0, 2) + BAD)
    cli("watch", str(folder), "--once")
    with (folder / "a.jsonl").open("ab") as file:
        file.write(b"12345")
    offset = len(lines(0, 2) + BAD)
    listed = cli("sources").stdout.decode()
    (row,) = [row for row in listed.splitlines() if "a.jsonl" in row]
    cells = [cell.strip() for cell in row.split("│")][1:-1]
    assert cells[:6] == [str(folder / "a.jsonl"), str(offset + 5), str(offset), "5", "3", "1"]
    (folder / "a.jsonl").rename(folder / "b.jsonl")
    (row,) = [row for row in cli("sources").stdout.decode().splitlines() if "a.jsonl" in row]
    cells = [cell.strip() for cell in row.split("│")][1:-1]
    assert cells[:4] == [f"{folder / 'a.jsonl'} (gone)", str(offset), str(offset), "0"]
    done = cli("sources", "--forget-source", "in/a.jsonl", cwd=folder.parent)
    assert (done.returncode, done.stderr) == (0, b"")
    done = cli("sources", "--forget-source", str(folder / "a.jsonl"))
    assert done.returncode == 1
    assert "unknown source" in one_line(done)
    assert "a.jsonl" not in cli("sources").stdout.decode()


def test_sources_as_json(cli, folder):
    """An object for each source has what the table shows, and when it was taken anew."""
    log = folder / "a.jsonl"
    log.write_bytes(lines(0, 2) + BAD)
    cli("watch", str(log), "--once")
    log.write_bytes(lines(2, 3))
    cli("watch", str(log), "--once")
    now, before = sorted(
        json.loads(cli("sources", "--json").stdout), key=lambda source: source["is_gone"]
    )
    assert (now["source"], now["lines"], now["lag"]) == (str(log), 1, 0)
    assert now["offset"] == now["size"] == len(lines(2, 3))
    assert now["taken_anew"] <= now["last_taken"]
    assert (before["is_gone"], before["rejected"], before["taken_anew"]) == (True, 1, None)
    listed = cli("sources").stdout.decode()
    assert f"{log} (READ AGAIN {now['taken_anew'][:19]}Z)" in listed
    assert "that had not been read are lost" in listed


def test_at_a_terminal_each_file_has_a_row(cli, db, folder):
    """The log is above the table, and the cursor is visible again at the end."""
    (folder / "a.jsonl").write_bytes(lines(0, 7) + BAD)
    ours, theirs = pty.openpty()
    environment = cli.environment | {"TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    process = subprocess.Popen(
        [BEHAVSTATS, "watch", folder], stderr=theirs, stdout=theirs, env=environment
    )
    os.close(theirs)
    seen = bytearray()

    def read():
        with suppress(OSError):  # the other end is closed
            while data := os.read(ours, 4096):
                seen.extend(data)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        wait_until(lambda: b"8 lines read" in seen and b"a second" in seen)
        process.terminate()
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()
        reader.join(timeout=60)
        os.close(ours)
    assert b"stops: 8 lines ingested: 7 page views added" in seen
    assert seen.rindex(b"\x1b[?25h") > seen.rindex(b"\x1b[?25l")
    assert page_views(db) == 7


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_a_file_without_permission_is_named_and_read_later(cli, db, folder):
    """The other files are stored in the meantime."""
    (folder / "a.jsonl").write_bytes(lines(0, 2))
    (folder / "b.jsonl").write_bytes(lines(2, 4))
    (folder / "a.jsonl").chmod(0)
    done = cli("watch", str(folder), "--once")
    assert done.returncode == 3
    assert b"a.jsonl: Permission denied" in done.stderr
    assert page_views(db) == 2
    (folder / "a.jsonl").chmod(0o600)
    assert cli("watch", str(folder), "--once").returncode == 0
    assert page_views(db) == 4

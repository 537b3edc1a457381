"""Files that are not usable stores: one clear line, exit code 3, and nothing is changed."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from behavstats.clock import system_clock
from behavstats.model.page_view import PageView
from behavstats.shutdown import Stop
from behavstats.store import create_store
from behavstats.store.sqlite import migrations
from behavstats.watch.watcher import Watcher
from tests.cli.conftest import LINES, counts, one_line
from tests.faults.permissions import as_anybody
from tests.support.histories import AS_OF
from tests.support.ports import free_port

READING = {
    "profile": ("profile", "u"),
    "export": ("export", "u"),
    "rejects": ("rejects",),
    "rejects --jsonl": ("rejects", "--jsonl"),
    "sources": ("sources",),
    "backup": ("backup", "copy.db", "--force"),
    "check": ("check",),
    "check --repair": ("check", "--repair"),  # of a sound store, which it leaves as it is
}
CHANGING = {
    "forget": ("forget", "u", "--yes"),
    "rejects --clear": ("rejects", "--clear", "--all"),
    "sources --forget-source": ("sources", "--forget-source", "followed.jsonl"),
}
MAKING = {
    "ingest": ("ingest", "-"),
    "serve": ("serve", "--port"),
    "serve --watch": ("serve", "--watch", ".", "--port"),
    "watch": ("watch", "."),
    "watch --once": ("watch", ".", "--once"),
}
WRITING = CHANGING | MAKING
commands = pytest.mark.parametrize("command", READING | WRITING)


@pytest.fixture
def refused(cli, db):
    """Run a command that has to be refused; return the one line that it says."""

    def run(command, **options):
        arguments = (READING | WRITING)[command]
        if arguments[-1] == "--port":
            arguments += (str(free_port()),)
        before = state_of(db.parent)
        done = cli(*arguments, stdin=LINES, **options)
        after = state_of(db.parent)
        assert done.returncode == 3, done
        if done.stdout:  # an ingest that has begun reports that it stored nothing
            assert (command, counts(done)["added"]) == ("ingest", 0)
        assert {path: state for path, state in after.items() if path in before} == before
        run.left = sorted(path.name for path in set(after) - set(before))
        return one_line(done)

    return run


def state_of(folder):
    """Return the bytes and the times of change of each file, to compare them later."""
    states = {}
    for path in folder.glob("store.db*"):
        status = path.stat()
        content = path.read_bytes() if path.is_file() else None
        states[path] = (content, status.st_mtime_ns, status.st_mode, status.st_ino, status.st_size)
    return states


@pytest.fixture
def filled(db):
    """A store of some pages, closed."""
    with create_store(db, lock_timeout=5) as store:
        store.add([PageView("u", AS_OF + n, f"/{n}") for n in range(5_000)])
        store.add([PageView(f"u{n}", AS_OF, "/") for n in range(2_000)])
        Path("followed.jsonl").write_bytes(LINES)
        Watcher(["followed.jsonl"], store, system_clock, Stop()).drain()
    return db


@commands
def test_a_file_that_is_no_database_is_refused(db, refused, command):
    """As somebody's own data, given by mistake."""
    db.write_bytes(LINES * 100)
    assert "is not a behavstats store" in refused(command)
    assert refused.left == []


@commands
@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_another_programs_database_is_refused(db, refused, command, mode):
    """No file that the other program might stumble over is created next to it."""
    with closing(sqlite3.connect(db)) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.execute("CREATE TABLE theirs (x)")
    assert "is a database of another program" in refused(command)
    assert refused.left == []


@commands
def test_a_store_of_a_newer_version_is_refused(filled, refused, command):
    """This program cannot keep tables correct that it does not know."""
    with closing(sqlite3.connect(filled)) as connection:
        connection.execute(f"PRAGMA user_version = {migrations.VERSION + 1}")
    assert "was written by a newer behavstats" in refused(command)
    assert refused.left == []


@commands
@pytest.mark.parametrize("length", [511, -4096, -1])
def test_a_file_cut_short_is_refused(filled, refused, command, length):
    """Wherever it was cut: within its header, between pages, within one."""
    os.truncate(filled, length if length > 0 else filled.stat().st_size + length)
    before = filled.read_bytes()
    said = refused(command)
    assert any(why in said for why in ("malformed", "cut short", "is not a behavstats store"))
    assert filled.read_bytes() == before


@commands
def test_a_store_in_a_folder_that_is_not_there_is_refused(tmp_path, refused, cli, command):
    """The line names the path; the folder is not made."""
    cli.environment["BEHAVSTATS_DB"] = str(tmp_path / "missing" / "store.db")
    assert str(tmp_path / "missing") in refused(command)
    assert not (tmp_path / "missing").exists()


@pytest.mark.parametrize("command", READING | CHANGING)
def test_a_store_that_is_not_there_is_made_by_nobody_who_takes_nothing_in(refused, command):
    """An answer about a store that was just made would be a wrong answer."""
    assert "there is no store at" in refused(command)
    assert refused.left == []


@commands
def test_a_folder_instead_of_a_file_is_refused(db, refused, command):
    """The line says so."""
    db.mkdir()
    assert "is not a file" in refused(command)


@pytest.fixture
def bound():
    """The option that makes permissions apply to a command, or a reason why they cannot."""
    probe = "import os, sys; sys.exit(os.access('.', os.W_OK))"
    os.mkdir("probe", 0o500)
    options = {"preexec_fn": as_anybody}
    if subprocess.run(
        [sys.executable, "-c", probe], cwd="probe", **options, check=False
    ).returncode:
        pytest.skip("permissions cannot be made to apply here")
    return options


@pytest.mark.parametrize("command", WRITING)
def test_a_file_that_may_only_be_read_is_not_written_to(filled, refused, bound, command):
    """The line says what is missing; a server says so as it starts, not to its clients."""
    filled.chmod(0o444)
    assert "must be writable" in refused(command, **bound)


@pytest.mark.parametrize("command", READING)
def test_a_file_that_may_only_be_read_is_read(filled, cli, bound, command):
    """In a folder that may be written to, which SQLite needs; the file stays as it is."""
    filled.chmod(0o444)
    before = state_of(filled.parent)[filled]
    done = cli(*READING[command], **bound)
    assert (done.returncode, done.stderr) == (0, b"")
    assert state_of(filled.parent)[filled] == before


@commands
def test_a_store_in_a_folder_that_may_only_be_read_is_refused(filled, refused, bound, command):
    """Even reading fails, because SQLite needs a file next to the store. The line says so."""
    for beside in filled.parent.glob("store.db-*"):
        beside.unlink()
    filled.parent.chmod(0o555)
    try:
        assert "must be writable, even to read" in refused(command, **bound)
    finally:
        filled.parent.chmod(0o755)
    assert refused.left == []


@commands
def test_a_store_that_may_not_be_read_is_refused(filled, refused, bound, command):
    """The line says what is missing."""
    filled.chmod(0o000)
    assert "must be writable" in refused(command, **bound)


@pytest.mark.parametrize("command", MAKING)
def test_no_store_is_made_in_a_folder_that_may_only_be_read(db, refused, bound, command):
    """The line names the folder's file that could not be made."""
    db.parent.chmod(0o555)
    try:
        assert str(db) in refused(command, **bound)
    finally:
        db.parent.chmod(0o755)
    assert refused.left == []


@commands
def test_a_store_on_a_disk_mounted_to_be_read_only_is_refused(
    filled, cli, refused, small_disk, command
):
    """As a disk becomes that the system met an error on."""
    disk = small_disk("16m")
    shutil.copy(filled, disk / "store.db")
    cli.environment["BEHAVSTATS_DB"] = str(disk / "store.db")
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    assert "must be writable, even to read" in refused(command)
    assert [path.name for path in disk.iterdir()] == ["store.db"]

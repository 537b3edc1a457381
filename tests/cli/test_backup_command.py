"""`behavstats backup`: a sound copy of a store in use, whole or not at all."""

import os
import sqlite3
import threading
from contextlib import closing

import pytest

from behavstats.errors import BackupError
from behavstats.model.page_view import PageView
from behavstats.store import create_store, open_store
from behavstats.store.sqlite import backup
from tests.cli.conftest import LINES, one_line
from tests.support.histories import AS_OF
from tests.support.stores import VIEW, export


@pytest.fixture
def copy(tmp_path):
    (tmp_path / "backups").mkdir()
    return tmp_path / "backups" / "monday.db"


def test_a_backup_is_a_whole_store(cli, copy):
    """It holds everything that the store held, and has no files beside it."""
    cli("ingest", "-", stdin=LINES)
    done = cli("backup", str(copy))
    assert (done.returncode, done.stderr) == (0, b"")
    assert os.listdir(copy.parent) == [copy.name]
    assert cli("check", "--db", str(copy)).returncode == 0
    assert cli("export", "ada-l", "--db", str(copy)).stdout == cli("export", "ada-l").stdout


def test_backup_while_others_write(store, copy):
    """The copy shows the store at one moment, and holds no transaction in part."""
    stop = threading.Event()

    def write():
        number = 0
        while not stop.is_set():
            number += 1
            store.add([PageView(f"u{n}", AS_OF + number, "/") for n in range(50)])

    store.add([PageView("u", AS_OF + number, "/") for number in range(20_000)])
    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(3):
            with open_store(store.path, lock_timeout=10) as other:
                other.back_up(copy, force=True)
            with open_store(copy, lock_timeout=10) as copied:
                assert copied.counts()[0] % 50 == 0
                assert list(copied.check()) == []
    finally:
        stop.set()
        writer.join()


def test_nothing_is_overwritten_unless_forced(cli, db, copy):
    """The exit code is 3, and the error is one line."""
    create_store(db, lock_timeout=5).close()
    copy.write_bytes(b"precious")
    done = cli("backup", str(copy))
    assert done.returncode == 3
    assert "--force" in one_line(done)
    assert copy.read_bytes() == b"precious"
    assert cli("backup", str(copy), "--force").returncode == 0
    open_store(copy, lock_timeout=5).close()


@pytest.mark.parametrize(
    ("to", "reason"),
    [
        ("missing/copy.db", "No such file"),
        ("backups", "folder"),
        ("store.db", "the store itself"),
        ("store.db-wal", "the store itself"),
        ("store.db-lock", "the store itself"),
        ("pipe", "not a regular file"),
        ("used.db", "in use"),
    ],
)
def test_backup_to_an_impossible_place_fails(store, tmp_path, copy, to, reason):
    """Even with --force; and nothing is left behind."""
    store.add([VIEW])
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "used.db-wal").write_bytes(b"something")
    with pytest.raises(BackupError, match=reason):
        store.back_up(tmp_path / to, force=True)
    assert not [*tmp_path.rglob("*.part"), *copy.parent.iterdir()]


def test_a_file_created_during_the_backup_is_not_overwritten(store, copy, monkeypatch):
    """The other process keeps its file."""
    whole = backup._copy

    def slowly(*arguments):
        whole(*arguments)
        copy.write_bytes(b"precious")

    monkeypatch.setattr(backup, "_copy", slowly)
    with pytest.raises(BackupError, match="already"):
        store.back_up(copy, force=False)
    assert copy.read_bytes() == b"precious"
    assert os.listdir(copy.parent) == [copy.name]


def test_backup_to_a_full_disk_leaves_nothing_behind(store, copy, monkeypatch):
    """A file that was there before stays."""
    store.add([VIEW])
    connect = sqlite3.connect

    def small(*arguments, **options):
        connection = connect(*arguments, **options)
        connection.execute("PRAGMA max_page_count = 2")
        return connection

    monkeypatch.setattr(backup.sqlite3, "connect", small)
    copy.write_bytes(b"precious")
    with pytest.raises(BackupError, match="disk is full"):
        store.back_up(copy, force=True)
    assert copy.read_bytes() == b"precious"
    assert os.listdir(copy.parent) == [copy.name]


def test_backup_includes_the_write_ahead_log(store, copy):
    """The log is part of the store."""
    store.add([VIEW])
    store.back_up(copy, force=False)
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT count(*) FROM page_view").fetchone() == (1,)
    with open_store(copy, lock_timeout=5) as copied:
        assert export(copied, "u") == [VIEW]
        assert copied.add([VIEW]) == 0

"""Which files are opened as a store, which are created, and which are refused."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from behavstats.errors import NoStore, NotAStore, StoreUnavailable
from behavstats.model.page_view import PageView
from behavstats.model.profile import window
from behavstats.store import create_store, open_store
from behavstats.store.sqlite.schema import VERSION
from tests.support.histories import AS_OF
from tests.support.stores import VIEW, export


def test_opening_a_missing_store_creates_nothing(db):
    """An empty file is not a store either."""
    with pytest.raises(NoStore):
        open_store(db, lock_timeout=1)
    assert list(db.parent.iterdir()) == []
    db.touch()
    with pytest.raises(NoStore):
        open_store(db, lock_timeout=1)
    with create_store(db, lock_timeout=1) as store:
        assert store.add([VIEW]) == 1


def test_a_new_store_has_small_pages(db):
    """Posted page views change almost one page each."""
    create_store(db, lock_timeout=1).close()
    with closing(sqlite3.connect(db)) as connection:
        assert connection.execute("PRAGMA page_size").fetchone() == (2048,)


def _another_programs_database(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE theirs (x)")


def _newer_store(path):
    create_store(path, lock_timeout=1).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    Path(f"{path}-lock").unlink()
    Path(f"{path}-turn").unlink()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_text("user,page\n" * 1000), "not a behavstats store"),
        (lambda path: path.mkdir(), "not a file"),
        (lambda path: path.write_text("A"), "not a behavstats store"),
        (_another_programs_database, "another program"),
        (_newer_store, "newer"),
    ],
)
@pytest.mark.parametrize("opening", [open_store, create_store])
def test_a_file_that_is_not_a_store_is_refused_and_left_as_it_is(db, make, message, opening):
    """Its bytes do not change, and no file is created next to it."""
    make(db)
    before = {path: path.is_file() and path.read_bytes() for path in db.parent.iterdir()}
    with pytest.raises(NotAStore, match=message):
        opening(db, lock_timeout=1)
    after = {path: path.is_file() and path.read_bytes() for path in db.parent.iterdir()}
    assert after == before


def test_a_store_cut_short_is_an_error_not_a_traceback(store, db):
    """SQLite's error becomes StoreUnavailable."""
    store.add([PageView(f"u{number}", AS_OF, "/") for number in range(10_000)])
    store.close()
    with db.open("r+b") as file:
        file.truncate(8192)
    with pytest.raises(StoreUnavailable), open_store(db, lock_timeout=1) as cut:
        cut.summary("u1", window(AS_OF))


def test_a_store_cut_short_within_its_last_page_is_refused(store, db):
    """SQLite would read the missing part as zeros."""
    store.add([VIEW])
    store.close()
    with db.open("r+b") as file:
        file.truncate(db.stat().st_size - 1)
    with pytest.raises(StoreUnavailable, match="cut short"):
        open_store(db, lock_timeout=1)


def test_a_store_is_not_created_in_a_missing_folder(tmp_path):
    """The message names the folder."""
    with pytest.raises(StoreUnavailable, match="missing"):
        create_store(tmp_path / "missing" / "store.db", lock_timeout=1)


@pytest.mark.parametrize("name", ["a b", "50%", "what?", "#1", "ü☕", "a'b", 'a"b', "x;y&z=1"])
def test_a_store_may_have_any_name(tmp_path, name):
    """This holds although SQLite gets the name as a URI."""
    with create_store(tmp_path / name, lock_timeout=1) as store:
        store.add([VIEW])
        assert store.path.exists()
    with open_store(tmp_path / name, lock_timeout=1) as store:
        assert export(store, "u") == [VIEW]


def test_a_store_reached_by_a_link_is_the_same_store_with_the_same_lock(store, db):
    """Two names with separate locks would allow two writers at once."""
    link = db.with_name("link.db")
    link.symlink_to(db)
    with create_store(link, lock_timeout=1) as linked:
        assert linked.path == store.path
        linked.add([VIEW])
        store.add([VIEW])
    assert not list(db.parent.glob("link.db-*"))


def test_a_store_opens_after_its_creation_was_killed(db):
    """SQLite's journal is still there, and readers cannot roll it back."""
    create_store(db, lock_timeout=5).close()
    code = (
        "import os, sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "connection.execute('PRAGMA journal_mode = DELETE')\n"
        "connection.execute('PRAGMA cache_spill = 1')\n"
        "connection.execute('PRAGMA cache_size = 1')\n"
        "connection.execute('BEGIN')\n"
        "connection.executemany('INSERT INTO page (name) VALUES (?)',\n"
        "    ((f'/{number}' * 100,) for number in range(2_000)))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(db)], check=False)
    assert db.with_name(db.name + "-journal").exists()
    with open_store(db, lock_timeout=5) as store:
        store.add([VIEW])
        assert list(store.check()) == []
    with closing(sqlite3.connect(db)) as connection:
        assert connection.execute("SELECT count(*) FROM page").fetchone() == (1,)

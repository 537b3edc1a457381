"""The schema: created in a new store, and migrated to from older ones."""

import gzip
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateTable

from behavstats.errors import NotAStore, StoreBusy
from behavstats.model.page_view import PageView
from behavstats.model.profile import profile, window
from behavstats.store import open_store
from behavstats.store.sqlite import migrations, schema, tables
from tests.conftest import files_of
from tests.support.histories import AS_OF
from tests.support.stores import VIEW, export, rejections_of

FILES = sorted((Path(__file__).parent / "files").glob("version-*.db.gz"))


def words(statement):
    return statement.replace("(", " ( ").replace(")", " ) ").replace(",", " , ").split()


def test_the_tables_are_those_that_sqlmodel_defines(store):
    """The statements, which are text for speed, agree with the classes."""
    with closing(sqlite3.connect(store.path)) as connection:
        query = "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sql%'"
        made = {name: words(sql) for name, sql in connection.execute(query)}
    defined = {
        table.name: words(str(CreateTable(table).compile(dialect=sqlite.dialect())))
        for table in tables.StoredRollup.metadata.sorted_tables
    }
    assert made == defined


@pytest.fixture(params=FILES, ids=lambda path: path.name)
def old(request, db):
    """A store as an older version left it."""
    db.write_bytes(gzip.decompress(request.param.read_bytes()))
    return db


def test_there_is_a_file_of_each_older_version():
    """So the tests below cover all versions."""
    names = [f"version-{version}.db.gz" for version in range(1, schema.VERSION)]
    assert [path.name for path in FILES] == names


def test_opening_a_store_of_an_older_version_migrates_it(old):
    """It keeps all that it held, and gets its rollups."""
    with open_store(old, lock_timeout=10) as store:
        assert [view.name for view in export(store, "anna")] == ["/", "/pricing"]
        summary = store.summary("heavy", window(AS_OF))
        assert profile("heavy", summary)["number_pages_viewed_in_the_last_7_days"] == 1_100
        assert [bad.text for bad in rejections_of(store)] == [b"{"]
        assert list(store.check()) == []
        store.refresh_rollups()
        assert store.counts()[1] > 0
        assert store.summary("heavy", window(AS_OF)).views == summary.views
        assert list(store.check()) == []


def test_users_are_erased_from_a_migrated_store(old):
    """No byte of an erased user is left, neither in tables nor in former indexes."""
    with open_store(old, lock_timeout=10) as store:
        store.add([PageView("anna", AS_OF, "/of/anna")])
        held = b"".join(files_of(old).values())
        assert b"anna" in held
        assert b"/pricing" in held
        store.forget("anna")
        held = b"".join(files_of(old).values())
        assert b"anna" not in held
        assert b"/pricing" not in held
        store.add([PageView("anna", AS_OF, "/")])
        assert export(store, "anna") == [PageView("anna", AS_OF, "/")]
        assert list(store.check()) == []


def test_an_old_store_that_a_program_has_open_is_busy(old):
    """An older program would add page views and leave rollups as they are."""
    with closing(sqlite3.connect(old)) as older:
        version = older.execute("PRAGMA user_version").fetchone()
        older.execute("SELECT * FROM page_view").fetchone()
        with pytest.raises(StoreBusy, match="older version"):
            open_store(old, lock_timeout=0.2)
        assert older.execute("PRAGMA user_version").fetchone() == version
    with open_store(old, lock_timeout=10) as store:
        assert export(store, "anna")


def test_a_store_that_a_newer_program_has_migrated_is_not_written_to(store):
    """This program does not know what the newer tables need."""
    store.add([VIEW])
    with closing(sqlite3.connect(store.path)) as newer:
        newer.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    for _ in range(2):
        with pytest.raises(NotAStore, match="version"):
            store.add([VIEW])


def test_the_migration_sorts_nothing():
    """Sorting a large store would take all memory."""
    with closing(sqlite3.connect(":memory:")) as connection:
        migrations.migrate(connection, 0)
        query = "EXPLAIN QUERY PLAN " + schema.NOTE_BUSY_DAYS.format(many=1024)
        plan = [row[3] for row in connection.execute(query)]
    assert not any("TEMP B-TREE" in step for step in plan)


def test_several_processes_may_open_an_old_store_at_once(old):
    """One of them migrates it, and all of them can use it."""
    code = (
        "from pathlib import Path; from behavstats.store import open_store\n"
        "from behavstats.store.sqlite import opening as module\n"
        "module.READERS_TIMEOUT = 60\n"  # with one that looks what version it is
        f"with open_store(Path({str(old)!r}), 60) as store: print(*store.counts())"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    counted = {process.communicate(timeout=120)[0] for process in running}
    assert len(counted) == 1
    assert counted.pop().startswith("1103 ")


def test_a_store_is_created_without_importing_sqlmodel(db):
    """The import would take longer than creating the store."""
    code = (
        "import sys; from pathlib import Path; from behavstats.store import create_store\n"
        f"create_store(Path({str(db)!r}), 5).close()\n"
        "print([m for m in ('sqlmodel', 'sqlalchemy', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b"[]\n"

"""Files of a store are moved, removed, replaced or overwritten while in use; and foreign logs."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from behavstats.errors import StoreAbandoned, StoreUnavailable
from behavstats.model.page_view import PageView
from behavstats.model.profile import window
from behavstats.store import create_store, open_store
from behavstats.store.sqlite.lock import StoreLock
from behavstats.store.sqlite.restore import restore
from tests.conftest import files_of
from tests.support.histories import AS_OF
from tests.support.stores import VIEW, export, load

LATER = PageView("u", AS_OF, "/later")
EPOCH = "SELECT epoch, state, follows FROM store"


@pytest.fixture
def backup(store, tmp_path):
    """A backup of the store, which has got one more page view since."""
    backup = tmp_path / "backups" / "monday.db"
    backup.parent.mkdir()
    store.add([VIEW])
    store.back_up(backup, force=False)
    store.add([LATER])
    return backup


def restored(backup, store):
    return restore(backup, store.path, StoreLock(store.path, 10))


def crashed(db, *views, before=""):
    """Add page views in a process that is killed; all but the first are only in the log."""
    code = (
        "import os, sys; from pathlib import Path\n"
        "from behavstats.decode.event import PageView; from behavstats.store import create_store\n"
        f"store = create_store(Path({str(db)!r}), 10); store.add([PageView('first', 1, '/')])\n"
        f"{before}\n"
        f"for view in {[(view.user_id, view.instant, view.name) for view in views]!r}:\n"
        "    store.add([PageView(*view)])\n"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    assert Path(f"{db}-wal").stat().st_size


def refused(store, match):
    """Check that a page view is refused until the files are opened again."""
    with pytest.raises(StoreUnavailable, match=match):
        store.add([LATER])


def row(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(EPOCH).fetchone()


@pytest.mark.parametrize("checkpoints", [0, 1, 2])
def test_a_log_left_by_a_killed_process_belongs_to_its_store(db, checkpoints):
    """However often it was restarted, and also before the first checkpoint."""
    before = "\n".join(
        f"store.add([PageView('u', {n}, '/')]); store.maintain()" for n in range(checkpoints)
    )
    crashed(db, VIEW, LATER, before=before)
    with open_store(db, lock_timeout=10) as store:
        assert store.counts()[0] == 3 + checkpoints
        assert list(store.check()) == []


def test_a_log_still_belongs_to_its_store_after_a_partial_checkpoint(store, db):
    """Readers cause such checkpoints; the file has a state from the middle of the log."""
    store.add([VIEW])
    with closing(sqlite3.connect(db, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM page_view").fetchone()
        store.add([LATER])
        store.maintain()
        store.add([PageView("v", AS_OF, "/")])
        store.maintain()
        store.add([PageView("w", AS_OF, "/")])
        copies = {name: data for name, data in files_of(db).items() if not name.endswith("-shm")}
    for name, data in copies.items():
        db.with_name(name.replace("store", "copy")).write_bytes(data)
    with open_store(db.with_name("copy.db"), lock_timeout=10) as copy:
        assert copy.counts()[0] == 4


@pytest.mark.parametrize("opening", [open_store, create_store])
def test_a_backup_copied_over_a_crashed_store_is_refused_with_advice(db, tmp_path, opening):
    """The old log is not replayed, nothing is changed, and the advice works."""
    backup = tmp_path / "backup.db"
    with create_store(db, lock_timeout=10) as store:
        store.add([VIEW])
        store.back_up(backup, force=False)
    crashed(db, LATER)
    shutil.copy(backup, db)
    before = files_of(db)
    with pytest.raises(StoreUnavailable, match="behavstats restore BACKUP"):
        opening(db, lock_timeout=10)
    after = files_of(db)
    assert {name: after[name] for name in before} == before
    assert restore(backup, db, StoreLock(db, 10)).page_views == 1
    with open_store(db, lock_timeout=10) as store:
        assert export(store, "u") == [VIEW]


def test_a_log_without_its_store_is_not_removed(db):
    """Creating a store there would remove it."""
    crashed(db, VIEW)
    db.rename(db.with_name("moved.db"))
    with pytest.raises(StoreUnavailable, match="without its store"):
        create_store(db, lock_timeout=10)
    db.with_name("moved.db").rename(db)
    with open_store(db, lock_timeout=10) as store:
        assert export(store, "u") == [VIEW]


def test_a_log_written_by_another_program_is_accepted(store, db):
    """For example when a repair with SQL was killed."""
    store.add([VIEW])
    store.close()
    code = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute(\"UPDATE page SET name = '/other'\"); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, db], check=False)
    assert Path(f"{db}-wal").stat().st_size
    with open_store(db, lock_timeout=10) as opened:
        assert export(opened, "u") == [PageView("u", AS_OF, "/other")]


def test_each_copy_of_a_store_has_its_own_epoch(store, backup, tmp_path):
    """Two backups and a store restored from one of them; each is a single file."""
    second = tmp_path / "backups" / "tuesday.db"
    store.back_up(second, force=False)
    epochs = [row(path)[0] for path in (store.path, backup, second)]
    assert sorted(path.name for path in backup.parent.iterdir()) == ["monday.db", "tuesday.db"]
    restored(backup, store)
    assert len({*epochs, row(store.path)[0]}) == 4


def test_an_open_store_continues_on_the_restored_one(store, backup):
    """It reads and writes the new file, with the keys of the new file."""
    store.add([PageView("new", AS_OF, "/new")])
    answer = restored(backup, store)
    assert (answer.users, answer.page_views) == (1, 1)
    store.database.connections.next_check = 0
    with pytest.raises(StoreUnavailable, match="was replaced"):
        store.check_readable()
    store.ensure_available()
    assert export(store, "u") == [VIEW]
    assert store.add([PageView("new", AS_OF, "/new"), LATER]) == 2
    assert list(store.check()) == []
    store.close()
    with open_store(store.path, lock_timeout=10) as again:
        assert again.counts()[0] == 3
    with open_store(answer.kept, lock_timeout=10) as kept:
        assert kept.counts()[0] == 3


def test_a_load_after_a_restore_uses_no_key_of_the_replaced_file(store, backup):
    """Maintenance has opened the new file, before the load looks at the cached keys."""
    views = [PageView("new", AS_OF, "/new"), PageView("u", AS_OF + 5, "/new")]
    assert load(store, views) == 2
    restored(backup, store)
    store.database.connections.next_check = 0
    with pytest.raises(StoreUnavailable, match="was replaced"):
        store.check_readable()
    store.ensure_available()
    assert load(store, views) == 2
    assert export(store, "new") == views[:1]
    assert list(store.check()) == []


def test_a_commit_to_a_file_that_is_replaced_meanwhile_is_not_acknowledged(
    store, backup, monkeypatch
):
    """The commit is in the old file, which is lost."""
    seal = store.database.connections.guard.seal

    def and_then_replace(connection):
        seal(connection)
        shutil.copy(backup, backup.with_name("copy.db"))
        os.replace(backup.with_name("copy.db"), store.path)

    monkeypatch.setattr(store.database.connections.guard, "seal", and_then_replace)
    with pytest.raises(StoreUnavailable, match="was replaced"):
        store.add([PageView("v", AS_OF, "/")])


@pytest.mark.parametrize("suffixes", [[""], ["", "-wal", "-shm"]])
def test_a_removed_store_accepts_nothing(store, backup, suffixes):
    """Reads fail as well, until a store is there again."""
    for suffix in suffixes:
        os.unlink(f"{store.path}{suffix}")
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="moved or removed"):
            store.add([VIEW])
    store.database.connections.next_check = 0
    with pytest.raises(StoreUnavailable, match="moved or removed"):
        store.summary("u", window(AS_OF))
    restored(backup, store)
    assert store.add([LATER]) == 1
    assert export(store, "u") == [VIEW, LATER]


def test_a_store_that_is_moved_away_and_back_is_used_again(store):
    """Nothing in its log is lost."""
    store.add([VIEW])
    moved = store.path.with_name("moved.db")
    store.path.rename(moved)
    with pytest.raises(StoreUnavailable, match="moved or removed"):
        store.add([LATER])
    moved.rename(store.path)
    assert store.add([LATER]) == 1
    assert export(store, "u") == [VIEW, LATER]


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_the_content_of_a_removed_log_is_saved(store, suffix):
    """As long as a process has it open; the next page view is accepted again."""
    store.add([VIEW])
    os.unlink(f"{store.path}{suffix}")
    refused(store, "was removed")
    assert store.add([LATER]) == 1
    store.close()
    with open_store(store.path, lock_timeout=10) as again:
        assert export(again, "u") == [VIEW, LATER]
        assert list(again.check()) == []


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_a_log_that_another_process_replaced_is_left_to_that_process(store, cli, suffix):
    """This process can neither use nor close its files; it says so and must be ended."""
    store.add([VIEW])
    store.maintain()
    os.unlink(f"{store.path}{suffix}")
    line = b'{"user_id":"v","name":"/","timestamp":"2024-01-01T00:00:00Z"}'
    assert cli("ingest", "-", stdin=line).returncode == 0
    if not Path(f"{store.path}{suffix}").exists():
        Path(f"{store.path}{suffix}").touch()
    with pytest.raises(StoreAbandoned, match="start them again"):
        store.add([LATER])
    store.close()
    with open_store(store.path, lock_timeout=10) as again:
        assert again.counts()[0] == 2
        assert list(again.check()) == []


def test_a_backup_copied_over_a_store_in_use_stops_it(store, backup):
    """The file is the same, but its content is not: nothing is written into it."""
    shutil.copy(backup, store.path)
    before = store.path.read_bytes()
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="was overwritten"):
            store.add([LATER])
    with pytest.raises(StoreUnavailable, match="was overwritten"):
        store.check_writable()
    store.database.connections.next_check = 0
    with pytest.raises(StoreUnavailable, match="was overwritten"):
        store.summary("u", window(AS_OF))
    assert store.path.read_bytes() == before
    restored(backup, store)
    assert store.add([LATER]) == 1
    assert export(store, "u") == [VIEW, LATER]


def test_an_ending_process_leaves_a_file_alone_that_was_copied_over_its_own(db, tmp_path):
    """SQLite would copy the old log into the file and remove the new one."""
    backup = tmp_path / "backup.db"
    code = (
        "import shutil, sys; from pathlib import Path\n"
        "from behavstats.decode.event import PageView; from behavstats.store import create_store\n"
        f"store = create_store(Path({str(db)!r}), 10); store.add([PageView('u', 1, '/')])\n"
        f"store.back_up(Path({str(backup)!r}), force=True); store.add([PageView('u', 2, '/')])\n"
        f"shutil.copy({str(backup)!r}, {str(db)!r})\n"
        "try: store.add([PageView('u', 3, '/')])\n"
        "except Exception as error: print(error)\n"
        "if sys.argv[1:]: store.close()"
    )
    for how in ([], ["close"]):
        done = subprocess.run([sys.executable, "-c", code, *how], capture_output=True, check=True)
        assert b"was overwritten" in done.stdout
        assert db.read_bytes() == backup.read_bytes()
        assert Path(f"{db}-wal").stat().st_size
        restore(backup, db, StoreLock(db, 10))
        db.unlink()


def test_a_store_moved_over_one_in_use_is_used_unless_an_old_log_is_in_the_way(store, backup):
    """With an old log it is refused, by the running process and by the next one."""
    other = backup.with_name("other.db")
    shutil.copy(backup, other)
    store.maintain()
    os.replace(other, store.path)
    refused(store, "was replaced")
    assert store.add([PageView("v", AS_OF, "/")]) == 1
    assert export(store, "u") == [VIEW]
    store.maintain()
    assert store.add([PageView("w", AS_OF, "/")]) == 1
    shutil.copy(backup, other)
    os.replace(other, store.path)
    refused(store, "was replaced")
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="belongs to another file"):
            store.add([LATER])
    with pytest.raises(StoreUnavailable, match="belongs to another file"):
        open_store(store.path, lock_timeout=10)
    restored(backup, store)
    assert store.add([LATER]) == 1

"""`behavstats restore`: replaces a store with a backup, even a damaged store."""

import gzip
import os
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from behavstats.errors import BackupError, StoreBusy, StoreUnavailable
from behavstats.store import create_store, open_store
from behavstats.store.sqlite import migrations, restore
from behavstats.store.sqlite.lock import StoreLock
from tests.cli.conftest import LINES, VIEWS, one_line
from tests.support.stores import VIEW, export


@pytest.fixture
def backup(db, tmp_path):
    """Return a backup with two page views; the store has got a third one since."""
    backup = tmp_path / "backups" / "monday.db"
    backup.parent.mkdir()
    with create_store(db, lock_timeout=5) as store:
        store.add(VIEWS)
        store.back_up(backup, force=False)
        store.add([VIEW])
    return backup


def users(db):
    """Return the users of a store, after checking that it is sound."""
    with open_store(db, lock_timeout=5) as store:
        assert list(store.check()) == []
        return {user for user in ("ada-l", "u") if export(store, user)}


def test_restore_replaces_the_store(cli, db, backup):
    """It says what it restored, where the former store is, and that erased users are back."""
    os.chmod(db, 0o640)
    before = backup.read_bytes()
    done = cli("restore", str(backup))
    assert (done.returncode, done.stderr) == (0, b"")
    first, second, third = done.stdout.decode().splitlines()
    assert "2 page views of 1 user" in first
    assert "store.db.replaced-1" in second
    assert "erase them again" in third
    assert users(db) == {"ada-l"}
    assert db.stat().st_mode & 0o777 == 0o640
    assert users(Path(f"{db}.replaced-1")) == {"ada-l", "u"}
    assert backup.read_bytes() == before
    assert os.listdir(backup.parent) == [backup.name]
    assert not [*db.parent.glob("*.restore")]


def test_restore_can_be_undone(db, backup):
    """By restoring the former store; no kept store is overwritten."""
    restore.restore(backup, db, StoreLock(db, 5))
    restore.restore(Path(f"{db}.replaced-1"), db, StoreLock(db, 5))
    assert users(db) == {"ada-l", "u"}
    assert users(Path(f"{db}.replaced-2")) == {"ada-l"}


def _damage(db):
    data = bytearray(db.read_bytes())
    data[4096:] = os.urandom(len(data) - 4096)
    db.write_bytes(data)


@pytest.mark.parametrize(
    "spoil",
    [Path.unlink, _damage, lambda db: db.write_bytes(b""), lambda db: db.write_bytes(b"no store")],
    ids=["gone", "damaged", "empty", "another file"],
)
def test_restore_replaces_a_missing_or_damaged_store(db, backup, spoil):
    """Whatever happened to the store."""
    spoil(db)
    there = db.exists()
    assert restore.restore(backup, db, StoreLock(db, 5)).page_views == 2
    assert users(db) == {"ada-l"}
    assert Path(f"{db}.replaced-1").exists() == there


def _cut(path):
    os.truncate(path, path.stat().st_size - 1)


def _newer(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {migrations.VERSION + 1}")


def _wrong(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO page_view VALUES (77, 1, 77)")
        connection.commit()


def _in_use(path):
    Path(f"{path}-wal").write_bytes(b"something")


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (Path.unlink, "no such file"),
        (_cut, "cut short"),
        (_newer, "newer"),
        (_wrong, "not sound"),
        (_in_use, "in use"),
        (lambda path: path.write_bytes(LINES), "not a behavstats store"),
        (lambda path: path.write_bytes(b""), "no store"),
    ],
)
def test_an_unusable_backup_changes_nothing(cli, db, backup, spoil, why):
    """The exit code is 3, and one line names the backup and the reason."""
    spoil(backup)
    before = db.read_bytes()
    done = cli("restore", str(backup))
    assert done.returncode == 3
    assert why in (said := one_line(done))
    assert str(backup) in said
    assert db.read_bytes() == before
    assert not [*db.parent.glob("*.re*")]


def test_the_store_is_not_a_backup_of_itself(store, db):
    """Even under another name."""
    store.add([VIEW])
    os.link(db, db.with_name("same.db"))
    for path in (db, db.with_name("same.db")):
        with pytest.raises(BackupError, match="belongs to the store itself"):
            restore.restore(path, db, StoreLock(db, 5))


def test_restore_waits_for_a_writer(store, tmp_path):
    """The store is left unchanged if that takes too long."""
    store.add([VIEW])
    store.back_up(tmp_path / "backup.db", force=False)
    with StoreLock(store.path, 1).held(), pytest.raises(StoreBusy):
        restore.restore(tmp_path / "backup.db", store.path, StoreLock(store.path, 0.1))
    assert export(store, "u") == [VIEW]
    assert not [*tmp_path.glob("*.re*")]


def test_a_backup_of_an_older_version_is_migrated(db):
    """Just as a store would be."""
    old = Path(__file__).parents[1] / "store" / "sqlite" / "files" / "version-4.db.gz"
    db.with_name("old.db").write_bytes(gzip.decompress(old.read_bytes()))
    restore.restore(db.with_name("old.db"), db, StoreLock(db, 5))
    with open_store(db, lock_timeout=5) as store:
        assert export(store, "anna")


STEPS = ["link", "replace", "rename", "unlink"]


class Killed(BaseException):
    """The end of the process, here."""


def kill_at(patch, db, step, *, is_after):
    """Raise Killed before or after the first call of `step` that concerns the store's files."""
    target = Path if step == "unlink" else os
    whole = getattr(target, step)

    def cut_off(*arguments, **options):
        if not str(arguments[0]).startswith(str(db)):
            return whole(*arguments, **options)
        if is_after:
            whole(*arguments, **options)
        raise Killed

    patch.setattr(target, step, cut_off)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("is_after", [False, True])
def test_restore_interrupted_at_any_step_leaves_a_whole_or_refused_store(
    db, tmp_path, monkeypatch, step, is_after
):
    """Never a file with the log of another, nor without its log; run again, it succeeds."""
    backup = tmp_path / "backup.db"
    with create_store(db, lock_timeout=5) as store:
        store.add(VIEWS)
        store.back_up(backup, force=False)
        store.add([VIEW])
        crashed = {suffix: Path(f"{db}{suffix}").read_bytes() for suffix in ("", "-wal")}
    for suffix, content in crashed.items():
        Path(f"{db}{suffix}").write_bytes(content)
    # Also where the old log cannot be copied into the old store first.
    monkeypatch.setattr(restore, "_checkpoint", lambda _: None)

    with monkeypatch.context() as patch:
        kill_at(patch, db, step, is_after=is_after)
        with suppress(Killed):
            restore.restore(backup, db, StoreLock(db, 5))
    is_refused = (step, is_after) in {("replace", True), ("rename", False)}
    is_new = step == "unlink" or (step, is_after) == ("rename", True)
    if is_refused:
        with pytest.raises(StoreUnavailable, match="behavstats restore BACKUP"):
            open_store(db, lock_timeout=5)
    else:
        assert users(db) == ({"ada-l"} if is_new else {"ada-l", "u"})
    assert restore.restore(backup, db, StoreLock(db, 5)).page_views == len(VIEWS)
    with open_store(db, lock_timeout=5) as store:
        assert store.counts()[0] == len(VIEWS)
        assert list(store.check()) == []


def test_restore_on_a_full_disk_changes_nothing(store, tmp_path, monkeypatch):
    """The disk fills up while the copy is made."""
    store.add([VIEW])
    store.back_up(tmp_path / "backup.db", force=False)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(BackupError, match="No space left"):
        restore.restore(tmp_path / "backup.db", store.path, StoreLock(store.path, 5))
    assert export(store, "u") == [VIEW]
    assert not [*tmp_path.glob("*.re*")]

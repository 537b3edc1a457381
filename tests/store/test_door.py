"""The door of the store: addresses, and what importing it costs."""

import subprocess
import sys
from pathlib import Path

import pytest

from behavstats.errors import BackupError, NoStore, StoreUnavailable
from behavstats.store import create_store, open_store, restore_store
from tests.support.stores import VIEW, export


@pytest.mark.parametrize("kind", ["path", "text", "relative", "absolute", "scheme"])
def test_a_path_and_an_address_open_the_same_store(db, kind):
    """Relative paths start from the working directory, which is the store's folder here."""
    address = {
        "path": db,
        "text": str(db),
        "relative": f"sqlite:///{db.name}",
        "absolute": f"sqlite:///{db}",
        "scheme": f"SQLite:///{db}",
    }[kind]
    with create_store(address, lock_timeout=1) as store:
        store.add([VIEW])
    with open_store(db, lock_timeout=1) as store:
        assert export(store, "u") == [VIEW]
        assert store.address == str(db)


@pytest.mark.parametrize("opening", [open_store, create_store])
def test_an_engine_that_does_not_exist_is_an_error_that_shows_no_password(opening, tmp_path):
    """Nothing is created under that name either."""
    with pytest.raises(StoreUnavailable, match="no storage engine for postgresql://") as error:
        opening("postgresql://anna:secret@host/db", lock_timeout=1)
    assert "secret" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("address", ["sqlite://", "sqlite:///", "sqlite://host/path.db"])
def test_an_address_of_sqlite_needs_a_path_and_no_host(address):
    with pytest.raises(StoreUnavailable, match="sqlite:///PATH"):
        open_store(address, lock_timeout=1)


def test_a_path_may_look_like_an_address():
    """A `Path` is always a path, and so is a text without `://`."""
    for name in (Path("postgresql://x"), "postgresql:x"):
        with pytest.raises(NoStore):
            open_store(name, lock_timeout=1)


def test_a_backup_is_restored_through_the_door(store, db, tmp_path):
    """The store may be given by an address as well."""
    store.add([VIEW])
    store.back_up(tmp_path / "backup.db", force=False)
    restored = restore_store(tmp_path / "backup.db", f"sqlite:///{tmp_path}/other.db", 1)
    assert restored == (1, 1, None)
    with open_store(tmp_path / "other.db", lock_timeout=1) as other:
        assert export(other, "u") == [VIEW]
    with pytest.raises(BackupError):
        restore_store(tmp_path / "missing.db", db, 1)


def test_importing_the_door_loads_no_engine():
    """Light code imports it for its types."""
    code = (
        "import sys, behavstats.store\n"
        "heavy = ('sqlite3', 'numpy', 'sqlmodel', 'sqlalchemy', 'behavstats.store.sqlite')\n"
        "print([module for module in heavy if module in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b"[]\n"

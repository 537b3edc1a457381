"""Opening and creating a store of one SQLite file, and migrating an older one."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from behavstats.errors import NoStore, StoreUnavailable
from behavstats.model.retention import Bounds
from behavstats.store.sqlite import files, migrations
from behavstats.store.sqlite.connection import translated
from behavstats.store.sqlite.database import Database
from behavstats.store.sqlite.lock import StoreLock
from behavstats.store.sqlite.schema import VERSION
from behavstats.store.sqlite.store import SqliteStore
from behavstats.store.sqlite.wal import READERS_TIMEOUT


def open_store(
    path: Path,
    lock_timeout: float,
    on_wait: Callable[[], None],
    bounds: Bounds,
    clock: Callable[[], int],
) -> SqliteStore:
    """Open the store at `path`; see `behavstats.store.open_store`."""
    path = files.resolved(path)
    files.check_file(path)
    lock = StoreLock(path, lock_timeout, on_wait)
    files.check_log(path, lock)
    database = Database(path, lock, clock)
    with ExitStack() as on_failure:
        on_failure.callback(database.close)
        if Path(f"{path}-journal").exists():
            # A process was killed while it created or migrated the store. SQLite rolls its
            # transaction back, but not in WAL mode, and not on connections that only read.
            with database.locked() as connection:
                connection.execute("SELECT 1 FROM sqlite_schema").fetchone()
        with database.reading() as connection:
            version = migrations.check_version(connection, path)
        if version == 0:
            raise NoStore(path)
        if version < VERSION:
            _migrate(database)
        on_failure.pop_all()
    return SqliteStore(database, bounds)


def create_store(
    path: Path,
    lock_timeout: float,
    on_wait: Callable[[], None],
    bounds: Bounds,
    clock: Callable[[], int],
) -> SqliteStore:
    """Open the store at `path`; create it if it does not exist."""
    path = files.resolved(path)
    if not path.parent.is_dir():
        raise StoreUnavailable(f"the store {path} cannot be created: no folder {path.parent}")
    try:
        return open_store(path, lock_timeout, on_wait, bounds, clock)
    except NoStore:
        with StoreLock(path, lock_timeout, on_wait).held(), translated(path):
            files.clear_leftovers(path)
            migrations.create(path)
        return open_store(path, lock_timeout, on_wait, bounds, clock)


def _migrate(database: Database) -> None:
    """Migrate an older store to the newest schema, while no other process has it open.

    A program of the older version would not keep the newer tables up to date.
    """
    database.connections.close_idle()
    with database.locked() as connection:
        version = migrations.check_version(connection, database.path)
        if version == VERSION:  # another process was first
            return
        lock_timeout = min(database.lock.lock_timeout, READERS_TIMEOUT)
        migrations.migrate_exclusively(connection, database.path, version, lock_timeout)
        database.connections.note_again(connection)

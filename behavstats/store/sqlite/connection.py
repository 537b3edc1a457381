"""Connections to the SQLite file of a store, and the translation of SQLite's errors."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from behavstats.errors import NotAStore, StoreBusy, StoreError, StoreUnavailable
from behavstats.store.sqlite.hashing import Hasher

if TYPE_CHECKING:
    from sqlalchemy import Engine

BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
"""Error codes that mean that another connection holds a lock."""

BUSY_TIMEOUT = 5.0
"""Seconds for which SQLite itself waits; rarely needed, since writers hold the store's lock."""
_OLDEST_SQLITE = (3, 38)  # RETURNING, and JSON built in

# Temporary tables and journals stay in memory, so that nothing is copied outside the store's files.
_PRAGMAS = ("PRAGMA temp_store = MEMORY",)
# Reads are random; writes follow the order of the file.
_READER_PRAGMAS = ("PRAGMA cache_size = -65536",)
# A commit is on the disk when it returns, deleted data is overwritten, and SQLite runs no
# checkpoints by itself.
_WRITER_PRAGMAS = (
    "PRAGMA cache_size = -8192",
    "PRAGMA synchronous = FULL",
    "PRAGMA secure_delete = ON",
    "PRAGMA wal_autocheckpoint = 0",
)


class Connection(sqlite3.Connection):
    """A connection to a store, with the store's hash function."""

    @cached_property
    def hasher(self) -> Hasher:
        """Hashes texts with the secret of the store."""
        (secret,) = self.execute("SELECT secret FROM store").fetchone()
        return Hasher(secret)


def connect(path: Path, mode: str) -> Connection:
    """Open the file in autocommit; `mode` is SQLite's: `ro`, `rw` or `rwc` (creates it)."""
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        oldest = ".".join(map(str, _OLDEST_SQLITE))
        raise StoreUnavailable(f"SQLite {oldest} or newer is needed, not {sqlite3.sqlite_version}")
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(
        uri,
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=BUSY_TIMEOUT,
        factory=Connection,
    )
    with ExitStack() as on_failure:
        on_failure.enter_context(closing(connection))
        for pragma in (*_PRAGMAS, *(_READER_PRAGMAS if mode == "ro" else _WRITER_PRAGMAS)):
            connection.execute(pragma)
        on_failure.pop_all()
    return connection


def connect_writer(path: Path) -> Connection:
    """Open the file for writing, in WAL mode, which a copy made by VACUUM INTO has lost."""
    connection = connect(path, "rw")
    with ExitStack() as on_failure:
        on_failure.enter_context(closing(connection))
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            message = f"the store {path} cannot be used: SQLite refuses WAL mode for it"
            raise StoreUnavailable(message)
        on_failure.pop_all()
    return connection


def engine(path: Path) -> "Engine":
    """Return an SQLAlchemy engine that can only read, for infrequent queries."""
    from sqlalchemy.pool import NullPool
    from sqlmodel import create_engine

    return create_engine("sqlite://", creator=lambda: connect(path, "ro"), poolclass=NullPool)


def json_array(values: Iterable[str] | Iterable[int]) -> str:
    """Return values as one parameter of a statement: a JSON array, for `json_each`."""
    return msgspec.json.encode([*values]).decode()


class Access(Protocol):
    """Access to the store for work that takes many short transactions."""

    clock: Callable[[], int]
    """Returns ms since the epoch."""

    def reading(self) -> AbstractContextManager[Connection]:
        """Lend a connection that can only read."""

    def writing(self) -> AbstractContextManager[Connection]:
        """Hold the store's lock and lend a connection within a transaction."""

    def forget_keys(self) -> None:
        """Drop all cached keys; to be called within `writing`."""

    def overwrite(self, deleted: str) -> None:
        """Remove what was `deleted` from the WAL. Raise StoreBusy if readers are in the way."""


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise StoreError in place of SQLite's errors."""
    try:
        yield
    except Exception as error:
        # Do not assign the driver's error to a variable: its traceback refers to this frame, so
        # that would create a reference cycle.
        if not isinstance(_of_driver(error), sqlite3.Error):
            raise
        raise translation(_of_driver(error), path) from error


def _of_driver(error: Exception) -> Any:  # noqa: ANN401  SQLAlchemy's wrapper has no such type
    """Return the driver's error, which SQLAlchemy wraps."""
    return getattr(error, "orig", error)


def translation(error: sqlite3.Error, path: Path) -> StoreError:
    """Return the StoreError for an error of SQLite."""
    extended = getattr(error, "sqlite_errorcode", 0)
    code = extended & 0xFF
    if code in BUSY:
        return StoreBusy(f"the store {path} is busy: {error}")
    if code == sqlite3.SQLITE_NOTADB:
        return NotAStore(f"{path} is not a behavstats store: {error}")
    if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}:
        reason = "it and its folder must be writable, even to read"
        return StoreUnavailable(f"the store {path} cannot be used: {reason} ({error})")
    if extended == sqlite3.SQLITE_IOERR_SHMSIZE:
        reason = "even to read, a little room is needed, and the disk is full"
        return StoreUnavailable(f"the store {path} cannot be used: {reason} ({error})")
    return StoreUnavailable(f"the store {path} cannot be used: {error}")

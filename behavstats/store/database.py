"""The SQLite file: opening it, its connections, and what its errors mean."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from behavstats.errors import NoStore, NotAStore, StoreBusy, StoreError, StoreUnavailable
from behavstats.store.hashing import Hasher
from behavstats.store.schema import APPLICATION_ID, VERSION

if TYPE_CHECKING:
    from sqlalchemy import Engine

BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
"""Codes of errors that pass when others let go."""

BUSY_TIMEOUT = 5.0
"""Seconds for which SQLite itself waits; rarely needed, since writers take turns before."""
_OLDEST_SQLITE = (3, 38)  # RETURNING, and JSON built in
_SMALLEST_PAGE = 512  # bytes
_MAGIC = 16  # bytes, at the beginning of each file of SQLite

# Temporary tables and journals stay in memory: no copy of anything outside the store's files.
_PRAGMAS = ("PRAGMA temp_store = MEMORY",)
# Reads jump about in the store; writes come in its order.
_READER_PRAGMAS = ("PRAGMA cache_size = -65536",)
# A commit is on disk when it returns; what is deleted is overwritten; checkpoints are ours to make.
_WRITER_PRAGMAS = (
    "PRAGMA cache_size = -8192",
    "PRAGMA synchronous = FULL",
    "PRAGMA secure_delete = ON",
    "PRAGMA wal_autocheckpoint = 0",
)


class Connection(sqlite3.Connection):
    """A connection to a store, that hashes texts as this store does."""

    @cached_property
    def hasher(self) -> Hasher:
        """What hashes with the secret of the store."""
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
    """Open the file for writing, in WAL mode: a copy made by VACUUM INTO, say, has lost that."""
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
    """Return an SQLAlchemy engine that can only read, for what is not read often."""
    from sqlalchemy.pool import NullPool
    from sqlmodel import create_engine

    return create_engine("sqlite://", creator=lambda: connect(path, "ro"), poolclass=NullPool)


def check_file(path: Path) -> None:
    """Raise NoStore if there is no file, NotAStore if it is something else than a store.

    Looks at the file's first page alone, without a lock and without its WAL, so that it leaves no
    trace beside another program's database. (Through SQLite all the same: a file that we open and
    close ourselves takes the locks of all its connections in this process with it.) An empty file
    passes: a store whose making was interrupted; so does one that SQLite will make empty again.
    """
    if not path.exists():
        raise NoStore(path)
    if not path.is_file():
        raise NotAStore(f"{path} is not a file")
    if 0 < path.stat().st_size < _SMALLEST_PAGE:  # which SQLite takes for an empty file
        raise NotAStore(f"{path} is not a behavstats store")
    with translated(path):
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None
        )
        with closing(connection):
            # The file may be shorter than its first page says: the rest is still in the WAL.
            connection.execute("PRAGMA writable_schema = ON")
            try:
                if check_version(connection, path) == 0:  # another process may be making it
                    return
            except sqlite3.DatabaseError:
                if _is_half_made(path):
                    return
                raise
            (page,) = connection.execute("PRAGMA page_size").fetchone()
    # SQLite notices where whole pages are missing; of a part of one, it would read zeros.
    if path.stat().st_size % page and not _has_log(path):
        raise StoreUnavailable(f"the store {path} cannot be used: the file was cut short")


def _is_half_made(path: Path) -> bool:
    """Return whether the power failed while the very first page was written: SQLite will undo it.

    The journal is on the disk by then, and of the page anything but its first bytes. Nobody has
    such a file open, so that we may.
    """
    journal = Path(f"{path}-journal")
    with path.open("rb") as file:
        return file.read(_MAGIC) == bytes(_MAGIC) and journal.exists()


def _has_log(path: Path) -> bool:
    """Return whether there is a log out of which SQLite makes whole what a power cut tore."""
    logs = (Path(f"{path}{suffix}") for suffix in ("-wal", "-journal"))
    return any(log.exists() and log.stat().st_size > 0 for log in logs)


def check_version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the version of the store, 0 for an empty file; NotAStore if it is not one of ours."""
    connection.execute("BEGIN")  # to see all of it at one moment: another process may be making it
    try:
        (application_id,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        ours = application_id == APPLICATION_ID
        foreign = not ours and connection.execute("SELECT 1 FROM sqlite_schema").fetchone()
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    if ours:
        if version > VERSION:
            message = f"{path} was written by a newer behavstats (store version {version})"
            raise NotAStore(message)
        return int(version)
    if application_id or foreign:
        raise NotAStore(f"{path} is a database of another program")
    return 0


def check_still_ours(connection: sqlite3.Connection, path: Path) -> None:
    """Raise NotAStore if a newer program has led the store on since it was opened."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != VERSION:
        raise NotAStore(f"{path} is of version {version} now, which this program is not")


def json_array(values: Iterable[str] | Iterable[int]) -> str:
    """Return values as one that a statement takes: a JSON array, for `json_each`."""
    return msgspec.json.encode([*values]).decode()


class Access(NamedTuple):
    """How work that takes many short transactions reads and writes the store.

    `writing` lends a connection within a transaction and the store's lock; `forget_keys`, to be
    called there, has the store drop what it remembers of keys. `overwrite` leaves nothing of what
    was deleted, as it is called in a message, in the WAL; StoreBusy if others are in the way.
    """

    reading: Callable[[], AbstractContextManager[Connection]]
    writing: Callable[[], AbstractContextManager[Connection]]
    forget_keys: Callable[[], None]
    overwrite: Callable[[str], None]


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours."""
    try:
        yield
    except Exception as error:
        # Without a name for it: in this frame, which its traceback holds, it would hold itself.
        if not isinstance(_of_driver(error), sqlite3.Error):
            raise
        raise translation(_of_driver(error), path) from error


def _of_driver(error: Exception) -> Any:  # noqa: ANN401  SQLAlchemy's wrapper has no such type
    """Return the driver's error, which SQLAlchemy wraps."""
    return getattr(error, "orig", error)


def translation(error: sqlite3.Error, path: Path) -> StoreError:
    """Return what an error of SQLite means for whoever uses the store."""
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

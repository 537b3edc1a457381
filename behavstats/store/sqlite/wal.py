"""The write-ahead log of a store: when it is copied into the database, and emptied.

All of it happens under the store's lock: SQLite before 3.51.3 can damage a WAL when one connection
checkpoints while another commits.
"""

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from behavstats.errors import StoreBusy
from behavstats.store.sqlite.connection import BUSY_TIMEOUT

READERS_TIMEOUT = 2.0
"""Seconds for which readers are waited for."""
_WAIT = 0.005  # seconds of that with the lock: those who read now end, and new ones need no WAL
_AGAIN = 0.02  # seconds without it

_HEADER, _FRAME_HEADER = 32, 24  # bytes


Locked = AbstractContextManager[sqlite3.Connection]


class Wal:
    """The write-ahead log; `is_due` says that it has to be emptied, however short it is."""

    def __init__(self, path: Path) -> None:
        """Look after that of the store at `path`."""
        self._path = f"{path}-wal"
        self.is_due = False
        self._file: int | None = None

    def checkpoint(
        self, connection: sqlite3.Connection, wait: float = 0.0, *, truncate: bool = True
    ) -> None:
        """Copy it into the database and empty it, or else note that this is due.

        If it is not `cut`, its bytes stay until they are written over: to commit to a file that has
        its length already is much faster. Readers in the way are waited for `wait` seconds; then as
        much is copied as they allow.
        """
        self.is_due = True
        connection.execute(f"PRAGMA busy_timeout = {int(wait * 1000)}")
        # Readers are reported in the row, other obstacles (a full disk) as an error; what was
        # committed is durable all the same.
        with suppress(sqlite3.OperationalError):
            mode = "TRUNCATE" if truncate else "RESTART"
            busy, _, _ = connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
            self.is_due = bool(busy)
        connection.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT * 1000)}")

    def checkpoint_if_longer(self, connection: sqlite3.Connection, length: int) -> None:
        """Empty it if that is due, or if a commit has just filled more than `length` bytes."""
        if self.is_due:
            self.checkpoint(connection)
        elif self._is_longer(length):
            # One that became far longer, for what others do, does not stay so.
            self.checkpoint(connection, truncate=os.path.getsize(self._path) > 2 * length)

    def overwrite(self, locked: Callable[[], Locked], deleted: str) -> None:
        """Leave nothing in it of what was `deleted`, not even after a power cut.

        Readers in the way are waited for without the lock. StoreBusy if that takes too long.
        """
        deadline = time.monotonic() + READERS_TIMEOUT
        while True:
            with locked() as connection:
                self.checkpoint(connection, _WAIT)
                if not self.is_due:
                    self._sync()
                    return
            if time.monotonic() < deadline:
                time.sleep(_AGAIN)
                continue
            message = f"{deleted} were deleted, but the write-ahead log still holds them"
            why = "another program reads it, or the disk is full"
            raise StoreBusy(f"{message}: {why}; ask again, to have it emptied")

    def _sync(self) -> None:
        """Have it on the disk that it is empty, which SQLite leaves to the system."""
        wal = os.open(self._path, os.O_RDONLY)
        try:
            os.fsync(wal)
        finally:
            os.close(wal)

    def close(self) -> None:
        """Close the file, as there may be another one now."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _is_longer(self, length: int) -> bool:
        """Return whether more than `length` bytes of the file belong to this time.

        What does has the salt of its header: https://www.sqlite.org/fileformat2.html#walformat.
        """
        if self._file is None:
            self._file = os.open(self._path, os.O_RDONLY)  # SQLite has no locks on it to be lost
        header = os.pread(self._file, _HEADER, 0)
        frame = _FRAME_HEADER + int.from_bytes(header[8:12], "big")
        salt = os.pread(self._file, 8, _HEADER + length // frame * frame + 8)
        return salt != b"" and salt == header[16:24]

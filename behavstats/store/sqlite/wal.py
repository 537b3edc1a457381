"""The write-ahead log (WAL) of a store: when it is copied into the database, and truncated.

Checkpoints run under the store's lock, because SQLite before 3.51.3 can damage a WAL when one
connection runs a checkpoint while another commits.
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
"""Seconds to wait for readers that keep the WAL from being emptied."""
_WAIT = 0.005  # seconds to wait with the lock: readers end meanwhile, and new ones need no WAL
_AGAIN = 0.02  # seconds to wait without the lock

_HEADER, _FRAME_HEADER = 32, 24  # bytes


Locked = AbstractContextManager[sqlite3.Connection]


class Wal:
    """The WAL; `is_due` says that a checkpoint must empty it, however short it is."""

    def __init__(self, path: Path) -> None:
        """Work on the WAL of the store at `path`."""
        self._path = f"{path}-wal"
        self.is_due = False
        self._file: int | None = None

    def checkpoint(
        self, connection: sqlite3.Connection, wait: float = 0.0, *, truncate: bool = True
    ) -> None:
        """Copy the WAL into the database and empty it, or remember that this is due.

        Unless `truncate`, the file keeps its length and its bytes until they are overwritten, since
        a commit to a file that need not grow is much faster. Waits `wait` seconds for readers; then
        it copies as much as they allow.
        """
        self.is_due = True
        connection.execute(f"PRAGMA busy_timeout = {int(wait * 1000)}")
        # SQLite reports readers in the row, and other obstacles, such as a full disk, as an error.
        # What was committed is durable in any case.
        with suppress(sqlite3.OperationalError):
            mode = "TRUNCATE" if truncate else "RESTART"
            busy, _, _ = connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
            self.is_due = bool(busy)
        connection.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT * 1000)}")

    def checkpoint_if_longer(self, connection: sqlite3.Connection, length: int) -> None:
        """Run a checkpoint if it is due, or if commits have filled more than `length` bytes."""
        if self.is_due:
            self.checkpoint(connection)
        elif self._is_longer(length):
            # A WAL that has grown far beyond this length is truncated.
            self.checkpoint(connection, truncate=os.path.getsize(self._path) > 2 * length)

    def overwrite(self, locked: Callable[[], Locked], deleted: str) -> None:
        """Remove what was `deleted` from the WAL, so that not even a power cut brings it back.

        Waits for readers without holding the lock. Raises StoreBusy if that takes too long.
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
            raise StoreBusy(f"{message}: {why}; try again to empty it")

    def _sync(self) -> None:
        """Write the empty file to the disk, which SQLite leaves to the operating system."""
        wal = os.open(self._path, os.O_RDONLY)
        try:
            os.fsync(wal)
        finally:
            os.close(wal)

    def close_file(self) -> None:
        """Close the file; the path may lead to another one now."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _is_longer(self, length: int) -> bool:
        """Return whether more than `length` bytes have been written since the last checkpoint.

        A frame that was written since then has the salt of the WAL's header:
        https://www.sqlite.org/fileformat2.html#walformat.
        """
        if self._file is None:
            self._file = os.open(self._path, os.O_RDONLY)  # closing it drops no locks of SQLite
        header = os.pread(self._file, _HEADER, 0)
        frame = _FRAME_HEADER + int.from_bytes(header[8:12], "big")
        salt = os.pread(self._file, 8, _HEADER + length // frame * frame + 8)
        return salt != b"" and salt == header[16:24]

"""The store's lock: one writer or checkpoint at a time, across threads and processes.

SQLite before 3.51.3 can damage a WAL when one connection runs a checkpoint while another commits
(https://sqlite.org/wal.html#walresetbug), so both happen only under this lock. A writer that waits
for this lock never gets "database is locked" from SQLite.

Two empty files next to the store are locked with flock(2). A writer first acquires the turnstile
and keeps it until it has acquired the lock itself. So a writer that has just released the lock,
such as an ingest between two batches, queues behind the writers that were waiting, and no writer
starves. Each acquisition opens the files again, so threads of one process exclude each other as
processes do.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from behavstats.errors import StoreBusy, StoreUnavailable

_POLL = 0.001  # seconds between two attempts to acquire a lock
_LONG = 1.0  # seconds after which a person wonders why nothing happens


class StoreLock:
    """The lock of the store at `path`.

    Waits at most `lock_timeout` seconds for the lock, and calls `on_wait` once if the wait is long.
    Both attributes may be changed later.
    """

    def __init__(
        self, path: Path, lock_timeout: float, on_wait: Callable[[], None] = lambda: None
    ) -> None:
        self._turnstile = f"{path}-turn"
        self._lock_path = f"{path}-lock"
        self.lock_timeout = lock_timeout
        self.on_wait = on_wait

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock. Raise StoreBusy if it cannot be acquired in time."""
        waiting = self._waiting()
        turnstile = self._lock_file(self._turnstile, waiting)
        try:
            lock = self._lock_file(self._lock_path, waiting)
        finally:
            os.close(turnstile)
        try:
            yield
        finally:
            os.close(lock)

    def _lock_file(self, path: str, waiting: Iterator[None]) -> int:
        """Lock a file and return its descriptor; closing the descriptor releases the lock."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise StoreUnavailable(f"cannot lock the store: {path}: {error.strerror}") from None
        try:
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    next(waiting)
                else:
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise

    def _waiting(self) -> Iterator[None]:
        """Sleep briefly before each item. Raise StoreBusy once the lock timeout has passed."""
        start, is_long = time.monotonic(), False
        while True:
            waited = time.monotonic() - start
            if waited >= self.lock_timeout:
                message = f"another process held its lock for {self.lock_timeout:g} s"
                raise StoreBusy(f"the store is busy: {message}")
            if waited >= _LONG and not is_long:
                is_long = True
                self.on_wait()
            time.sleep(_POLL)
            yield

"""The store's lock: one writer, or checkpointer, at a time, across threads and processes.

SQLite before 3.51.3 can damage a WAL file when one connection checkpoints while another commits
(https://sqlite.org/wal.html#walresetbug), so both happen only under this lock; and who waits here
never meets "database is locked".

Two empty files beside the store are locked with flock(2): whoever wants the store queues at the
turnstile first and holds it until the store is free. So a writer that has just let go (an ingest,
between two batches) stands behind those who were waiting, and nobody starves. Each acquisition
opens the files anew, which makes threads of one process exclude each other as processes do.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from behavstats.errors import StoreBusy, StoreUnavailable

_POLL = 0.001  # seconds between two looks at a lock that somebody holds
_LONG = 1.0  # seconds after which a person wonders


class StoreLock:
    """The lock of the store at `path`.

    It waits at most `lock_timeout` seconds, and calls `on_wait` if the wait is long; both may be
    changed.
    """

    def __init__(
        self, path: Path, lock_timeout: float, on_wait: Callable[[], None] = lambda: None
    ) -> None:
        self._turnstile = f"{path}-turn"
        self._lock = f"{path}-lock"
        self.lock_timeout = lock_timeout
        self.on_wait = on_wait

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock; StoreBusy if it is not to be had in time."""
        waiting = self._waiting()
        turnstile = self._locked(self._turnstile, waiting)
        try:
            lock = self._locked(self._lock, waiting)
        finally:
            os.close(turnstile)
        try:
            yield
        finally:
            os.close(lock)

    def _locked(self, path: str, waiting: Iterator[None]) -> int:
        """Return a descriptor of the file with the lock on it; closing it lets go."""
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
        """Wait a little, each time; StoreBusy when patience is at its end."""
        start, is_long = time.monotonic(), False
        while True:
            waited = time.monotonic() - start
            if waited >= self.lock_timeout:
                raise StoreBusy(f"the store is busy: no turn within {self.lock_timeout:g} s")
            if waited >= _LONG and not is_long:
                is_long = True
                self.on_wait()
            time.sleep(_POLL)
            yield

"""Being told to stop, by a signal: what is under way is finished first."""

import multiprocessing
import os
import signal
import time
from types import FrameType


class Stop:
    """Whether to stop; may be set by a signal's handler."""

    def __init__(self) -> None:
        """At first, it is not."""
        self._is_set = False

    def set(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """Have all that is under way stored, and no more."""
        self._is_set = True

    def is_set(self) -> bool:
        """Return whether to stop."""
        return self._is_set

    def wait(self, seconds: float) -> None:
        """Wait so long, or until it is set."""
        # Not an Event: a handler that sets it while its lock is held would wait for itself.
        deadline = time.monotonic() + seconds
        while not self._is_set and time.monotonic() < deadline:
            time.sleep(0.05)

    def on_signals(self) -> None:
        """Have SIGINT and SIGTERM set it."""
        signal.signal(signal.SIGINT, self.set)
        signal.signal(signal.SIGTERM, self.set)


_SECONDS_TO_FINISH = 10.0  # once nobody is left who could wait longer


def end_with_parent() -> None:
    """Stop when the process that started this one is gone: killed, it could not tell us to."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
        # Granian misses a signal that comes just as it begins, and nobody else is left to end this.
        time.sleep(_SECONDS_TO_FINISH)
        os._exit(1)

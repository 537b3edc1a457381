"""An orderly shutdown: after a signal, work in progress is finished first."""

import os
import signal
import time
from types import FrameType


class Stop:
    """A flag that asks the program to stop. A signal handler may set it."""

    def __init__(self) -> None:
        """Create a flag that is not set."""
        self._is_set = False

    def set(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """Ask the program to store the work in progress, and then to stop."""
        self._is_set = True

    def is_set(self) -> bool:
        """Return whether the program should stop."""
        return self._is_set

    def wait(self, seconds: float) -> None:
        """Wait for some seconds, or until the flag is set."""
        # Not a threading.Event: a signal handler that interrupts wait() would deadlock on its lock.
        deadline = time.monotonic() + seconds
        while not self._is_set and time.monotonic() < deadline:
            time.sleep(0.05)

    def on_signals(self) -> None:
        """Set the flag on SIGINT and SIGTERM."""
        signal.signal(signal.SIGINT, self.set)
        signal.signal(signal.SIGTERM, self.set)


_SECONDS_TO_FINISH = 10.0  # after the parent process is gone


def end_with_parent() -> None:
    """Stop this process when its parent is gone: a parent that was killed cannot stop it."""
    from multiprocessing import parent_process  # slow to import, and only needed here

    parent = parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
        # Granian misses a signal that arrives while it starts, and no process would send another.
        time.sleep(_SECONDS_TO_FINISH)
        os._exit(1)

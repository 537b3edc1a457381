"""A clock that a test sets while a server runs: it reads the time from a file.

As a program, it serves a store by such a clock: `python -m tests.faults.clocks DB PORT CLOCK`.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from behavstats.config import Settings
from behavstats.daemon.supervisor import serve


@dataclass(frozen=True)
class FileClock:
    """Tells the instant, in ms, that stands in a file."""

    path: Path

    def __call__(self) -> int:
        return int(self.path.read_text())

    def set(self, instant: int) -> None:
        """Have it tell another time from now on, forwards or backwards."""
        new = self.path.with_suffix(".new")
        new.write_text(str(instant))
        os.replace(new, self.path)


if __name__ == "__main__":
    _db, _port, _clock = sys.argv[1:]
    serve(Settings(Path(_db), port=int(_port), clock=FileClock(Path(_clock)), lock_timeout=5.0))

"""A clock that a test sets while a server runs: it reads the time from a file.

As a program, it serves a store by such a clock: `python -m tests.faults.clocks DB PORT CLOCK`.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from behavstats.config import StoreOptions
from behavstats.daemon.options import ServerOptions
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
    serve(
        StoreOptions(Path(_db), lock_timeout=5.0),
        ServerOptions(port=int(_port)),
        FileClock(Path(_clock)),
    )

"""The settings: one frozen object, built once at an edge from options and environment."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


def system_clock() -> int:
    """Return the time of day in whole ms since the epoch."""
    return time.time_ns() // 1_000_000


# A dataclass would take each command another millisecond to start.
class Settings(NamedTuple):
    """Where the store is, where the server listens, who may ask it, and what time it is.

    `clock` returns ms since the epoch; `patience` is how many seconds to wait for a store that
    another process is writing to; `cors_origins` are None for those that the keys make sensible.
    """

    db: Path
    host: str = "127.0.0.1"
    port: int = 8000
    write_keys: tuple[str, ...] = ()
    secret_keys: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] | None = None
    patience: float = 60.0
    clock: Callable[[], int] = system_clock

    def __repr__(self) -> str:
        """Show all but the keys, which must not get into a log."""
        shown = self._replace(write_keys=(), secret_keys=())
        return f"Settings{tuple(shown)}"

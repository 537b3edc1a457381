"""The settings: one frozen object, built once at an edge from options and environment."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from behavstats.clock import system_clock
from behavstats.errors import InvalidInput
from behavstats.model.retention import MIB, Bounds
from behavstats.model.timestamps import DAY


# A dataclass would take each command another millisecond to start.
class Settings(NamedTuple):
    """Where the store is, where the server listens, who may ask it, and what time it is.

    `clock` returns ms since the epoch; `lock_timeout` is how many seconds to wait for a store that
    another process is writing to; `cors_origins` are None for those that the keys make sensible.
    """

    db: Path
    host: str = "127.0.0.1"
    port: int = 8000
    write_keys: tuple[str, ...] = ()
    secret_keys: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] | None = None
    lock_timeout: float = 60.0
    clock: Callable[[], int] = system_clock

    def __repr__(self) -> str:
        """Show all but the keys, which must not get into a log."""
        shown = self._replace(write_keys=(), secret_keys=())
        return f"Settings{tuple(shown)}"


_PREFIX = "BEHAVSTATS_REJECTS_MAX_"


def bounds_of(environment: Mapping[str, str] = os.environ) -> Bounds:
    """Return the bounds that the environment asks for; InvalidInput if one is no whole number.

    `BEHAVSTATS_REJECTS_MAX_LINES`, `..._MAX_MIB` and `..._MAX_DAYS`, each 1 or more.
    """
    default = Bounds()
    return Bounds(
        _number(environment, "LINES", default.lines),
        _number(environment, "MIB", default.bytes // MIB) * MIB,
        _number(environment, "DAYS", default.age // DAY) * DAY,
    )


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    variable = _PREFIX + name
    text = environment.get(variable) or str(default)
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text)):
        message = f"{variable} is {text!r}, not a whole number from 1 to 999,999,999"
        raise InvalidInput("invalid_setting", message)
    return int(text)

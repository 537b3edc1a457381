"""The options of a store, parsed once from the command line and the environment."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from behavstats.errors import InvalidInput
from behavstats.model.retention import MIB, Bounds
from behavstats.model.timestamps import DAY


# A dataclass would make each command start a millisecond later.
class StoreOptions(NamedTuple):
    """Where a store is, and how it is opened.

    `lock_timeout` is how many seconds a write waits for another process that writes to the store;
    `bounds` limit the rejected lines that the store keeps.
    """

    path: Path
    lock_timeout: float = 60.0
    bounds: Bounds = Bounds()


_PREFIX = "BEHAVSTATS_REJECTS_MAX_"


def parse_bounds(environment: Mapping[str, str]) -> Bounds:
    """Return the bounds that environment variables set for the rejected lines.

    The variables are `BEHAVSTATS_REJECTS_MAX_LINES`, `..._MAX_MIB` and `..._MAX_DAYS`. Raises
    InvalidInput if one of them is not a whole number of at least 1.
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

"""How many rejected lines a store keeps, and for how long."""

from typing import NamedTuple

from behavstats.model.timestamps import DAY

MIB = 1024 * 1024


class Bounds(NamedTuple):
    """How many rejected lines are kept, how many bytes of their texts, and for how many ms.

    Beyond that, the oldest go first.
    """

    lines: int = 100_000
    bytes: int = 64 * MIB
    age: int = 90 * DAY

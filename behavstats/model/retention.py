"""The limits on the rejected lines that a store keeps."""

from typing import NamedTuple

from behavstats.model.timestamps import DAY

MIB = 1024 * 1024


class Bounds(NamedTuple):
    """The maximum number of kept rejected lines, bytes of their texts, and age in ms.

    The oldest lines are deleted first.
    """

    lines: int = 100_000
    bytes: int = 64 * MIB
    age: int = 90 * DAY

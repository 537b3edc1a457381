"""The time of day, which is passed to what needs it."""

import time


def system_clock() -> int:
    """Return the time of day in whole ms since the epoch."""
    return time.time_ns() // 1_000_000

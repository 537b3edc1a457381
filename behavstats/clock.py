"""The system clock. Code that needs the time gets a clock as an argument."""

import time


def system_clock() -> int:
    """Return the current time in whole ms since the epoch."""
    return time.time_ns() // 1_000_000

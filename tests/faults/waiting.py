"""Waiting for a condition instead of for a time."""

import time


def wait_until(is_so, what, seconds=120.0):
    """Call a condition again and again until its result is true; return the result, or fail."""
    deadline = time.monotonic() + seconds
    while not (answer := is_so()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.005)
    return answer

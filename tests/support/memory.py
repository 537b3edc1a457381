"""How much memory a call takes."""

import tracemalloc

import pytest

from behavstats.errors import InvalidInput


def peak_of(action, *arguments):
    """Return the peak memory of a call, without its arguments; it has to raise InvalidInput."""
    tracemalloc.start()
    try:
        with pytest.raises(InvalidInput):
            action(*arguments)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

"""Counts in words."""

import pytest

from behavstats.text import counted


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 lines"), (1, "1 line"), (2, "2 lines"), (1_000, "1,000 lines")]
)
def test_exactly_one_is_singular(count, text):
    """Every other count is plural, and has separators of thousands."""
    assert counted(count, "line") == text

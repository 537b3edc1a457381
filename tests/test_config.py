"""The bounds of the rejected lines that environment variables set."""

import pytest

from behavstats.config import parse_bounds
from behavstats.errors import InvalidInput
from behavstats.model.retention import Bounds


def test_default_bounds():
    """100,000 lines, 64 MiB, 90 days."""
    assert parse_bounds({}) == Bounds() == (100_000, 64 * 1024 * 1024, 90 * 86_400_000)


def test_each_variable_sets_one_bound():
    """The other bounds keep their defaults."""
    environment = {"BEHAVSTATS_REJECTS_MAX_LINES": "7", "BEHAVSTATS_REJECTS_MAX_DAYS": "1"}
    assert parse_bounds(environment) == (7, 64 * 1024 * 1024, 86_400_000)
    assert parse_bounds({"BEHAVSTATS_REJECTS_MAX_MIB": "2"}).bytes == 2 * 1024 * 1024


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5", "²", "9" * 10])
def test_a_bound_that_is_not_a_whole_number_is_refused(value):
    """The message names the variable."""
    with pytest.raises(InvalidInput, match=r"_MAX_LINES is .* not a whole number"):
        parse_bounds({"BEHAVSTATS_REJECTS_MAX_LINES": value})

"""The bounds of the rejected lines that environment variables set."""

import pytest

from behavstats.config import parse_bounds
from behavstats.errors import InvalidInput
from behavstats.model.retention import Bounds


def test_there_are_bounds_without_any_setting():
    """A hundred thousand lines, 64 MiB, 90 days."""
    assert parse_bounds({}) == Bounds() == (100_000, 64 * 1024 * 1024, 90 * 86_400_000)


def test_the_environment_sets_others():
    """Each for itself."""
    environment = {"BEHAVSTATS_REJECTS_MAX_LINES": "7", "BEHAVSTATS_REJECTS_MAX_DAYS": "1"}
    assert parse_bounds(environment) == (7, 64 * 1024 * 1024, 86_400_000)
    assert parse_bounds({"BEHAVSTATS_REJECTS_MAX_MIB": "2"}).bytes == 2 * 1024 * 1024


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5", "²", "9" * 10])
def test_what_is_no_whole_number_is_named(value):
    """With the variable that has it."""
    with pytest.raises(InvalidInput, match=r"_MAX_LINES is .* not a whole number"):
        parse_bounds({"BEHAVSTATS_REJECTS_MAX_LINES": value})

"""The query of a request: what is not known is an error that names what may be meant."""

import pytest

from behavstats.errors import InvalidInput
from behavstats.server.query import parse_query
from behavstats.server.routes import ROUTES

KNOWN = ("days", "as_of", "detail", "writeKey")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        ("&", {}),
        ("days=7", {"days": "7"}),
        ("days=7&&detail", {"days": "7", "detail": ""}),
        ("a%20b=c+d&e=%C3%A9", {"a b": "c d", "e": "é"}),
        ("days=7&days=8", {"days": "8"}),
    ],
)
def test_a_query_is_names_and_values(text, values):
    """Percent-encoded, and with a plus sign for a blank, as forms send it."""
    assert parse_query(text).values == values


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("as-of", "as_of"),
        ("asOf", "as_of"),
        ("AsOf", "as_of"),
        ("asof", "as_of"),
        ("as_off", "as_of"),
        ("day", "days"),
        ("Days", "days"),
        ("details", "detail"),
        ("writekey", "writeKey"),
        ("write_key", "writeKey"),
    ],
)
def test_the_error_for_a_mistyped_parameter_names_the_nearest_one(name, meant):
    """If it was ignored, the answer would be for now, or for seven days."""
    with pytest.raises(InvalidInput, match=f"did you mean {meant}\\?") as refused:
        parse_query(f"days=7&{name}=1").check(KNOWN)
    assert (refused.value.code, refused.value.field) == ("unknown_parameter", name)


def test_the_error_for_any_other_parameter_names_all_known_ones():
    """However long it is, the message is one short line."""
    with pytest.raises(InvalidInput, match="use days, as_of, detail, writeKey"):
        parse_query("%0Autm_source=x").check(KNOWN)
    with pytest.raises(InvalidInput, match="this operation has no parameters") as refused:
        parse_query("x" * 8_000).check(())
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 200


def test_a_repeated_parameter_is_an_error():
    """Which of the two counts would be a guess."""
    with pytest.raises(InvalidInput) as refused:
        parse_query("days=7&detail=true&days=7").check(KNOWN)
    assert (refused.value.code, refused.value.field) == ("repeated_parameter", "days")
    parse_query("days=7&detail=true").check(KNOWN)


def test_a_query_may_be_eight_kibibytes_long():
    """One byte more is an error."""
    assert parse_query("x" * 8_192).values == {"x" * 8_192: ""}
    with pytest.raises(InvalidInput) as refused:
        parse_query("x" * 8_193)
    assert refused.value.code == "query_too_long"


def test_every_route_knows_its_parameters_and_the_key_if_it_needs_one():
    """As the route table says."""
    for route in ROUTES:
        own = [parameter.name for parameter in route.parameters if parameter.where == "query"]
        assert [*route.in_query] == own + ["writeKey"] * bool(route.scope)

"""Timestamps are parsed and formatted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from behavstats.errors import InvalidInput
from behavstats.model.timestamps import format_date, format_instant, parse_instant
from tests.support import oracle

GOOD = [
    "1970-01-01T00:00:00Z",
    "2026-11-15T12:34:56.789Z",
    "2026-11-15t12:34:56z",
    "2024-02-29T23:59:59.9Z",
    "2026-11-15T12:34:56.7899999999Z",
    "2026-11-15T12:34:56." + "9" * 5000 + "Z",
    "2026-11-15T12:34:56+00:00",
    "2026-11-15T12:34:56-00:00",
    "2026-11-15T12:34:56.123456+05:30",
    "2026-11-15T00:00:00+23:59",
    "1969-12-31T23:00:00-01:00",
    "9999-12-31T23:59:59.999Z",
]
BAD = [
    "",
    "now",
    "2026-11-15",
    "2026-11-15T12:34:56",
    "2026-11-15 12:34:56Z",
    "2026-11-15T12:34Z",
    "2026-11-15T12:34:56.Z",
    "2026-11-15T12:34:56,5Z",
    "2026-11-15T12:34:56+0100",
    "2026-11-15T12:34:56+01",
    "2026-11-15T12:34:56+24:00",
    "2026-11-15T12:34:56+01:60",
    "2026-11-15T24:00:00Z",
    "2026-11-15T12:60:00Z",
    "2016-12-31T23:59:60Z",
    "2026-02-29T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-00-01T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "26-11-15T12:34:56Z",
    "2026-11-15T12:34:56Z ",
    " 2026-11-15T12:34:56Z",
    "2026-11-15T12:34:56Z\n",
    "2026-11-15T12:34:56ZZ",
    "2026-11-15T12:34:56." + "9" * 5000,
    "2026-11-15T12:34:56.5" + "Z" * 5000,
    "\u0662\u0660\u0662\u0666-11-15T12:34:56Z",
    "2026-11-15T12:34:5\uff16Z",
    "1969-12-31T23:59:59.999Z",
    "1970-01-01T00:59:59+01:00",
    "9999-12-31T23:59:59-00:01",
]


@pytest.mark.parametrize("text", GOOD)
def test_a_timestamp_is_parsed_as_by_the_oracle(text):
    """The result is in whole milliseconds, without finer digits, in UTC."""
    assert parse_instant(text) == oracle.instant(text)


@pytest.mark.parametrize("text", BAD)
def test_a_text_that_is_not_rfc_3339_or_is_out_of_range_is_rejected(text):
    """The error names the field and shows the text or its beginning."""
    with pytest.raises(InvalidInput) as refused:
        parse_instant(text, "as_of")
    assert refused.value.code == "invalid_as_of"
    assert refused.value.field == "as_of"
    assert len(str(refused.value)) < 200


@given(
    st.datetimes(),
    st.text("0123456789", max_size=9),
    st.one_of(
        st.sampled_from(["Z", "z"]),
        st.builds(
            "{}{:02}:{:02}".format, st.sampled_from("+-"), st.integers(0, 24), st.integers(0, 60)
        ),
    ),
)
def test_every_timestamp_is_parsed_or_rejected_as_by_the_oracle(moment, decimals, offset):
    """This holds for any date, any number of digits and any offset."""
    text = (
        f"{moment:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + (f".{decimals}" if decimals else "") + offset
    )
    try:
        expected = oracle.instant(text)
    except ValueError:
        expected = None
    try:
        instant = parse_instant(text)
    except InvalidInput:
        instant = None
    assert instant == expected


@given(st.integers(0, 253_402_300_799_999))
def test_a_formatted_instant_is_parsed_as_the_same_instant(instant):
    """`format_instant` and `parse_instant` are inverse for every ms of 1970 to 9999."""
    assert parse_instant(format_instant(instant)) == instant


def test_a_date_is_formatted_from_the_days_since_the_epoch():
    """Leap days count."""
    assert format_date(0) == "1970-01-01"
    assert format_date(parse_instant("2024-02-29T12:00:00Z") // 86_400_000) == "2024-02-29"

"""Parsing timestamps in columns gives the same as parsing them one by one."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from behavstats.decode.timestamps_vectorized import parse_timestamps
from behavstats.errors import InvalidInput
from behavstats.model.timestamps import parse_instant

LAST = parse_instant("9999-12-31T23:59:59.999Z")
GOOD = "2024-02-29T23:59:59.999Z"


def one_by_one(texts):
    """Return the instants of `parse_instant`, or -1 for timestamps that it rejects."""
    instants = []
    for text in texts:
        try:
            instants.append(parse_instant(text))
        except InvalidInput:
            instants.append(-1)
    return instants


@st.composite
def almost_timestamps(draw):
    """Draw a timestamp in which some parts may be wrong."""

    def digits(low, high, width):
        return st.integers(low, high).map(lambda number: f"{number:0{width}}")

    parts = [
        draw(st.one_of(digits(1968, 1972, 4), digits(0, 9999, 4))),
        draw(st.sampled_from("--------/")),
        draw(digits(0, 13, 2)),
        draw(st.sampled_from("--------/")),
        draw(digits(0, 32, 2)),
        draw(st.sampled_from("TTTTTTtt _4\u0154")),
        draw(digits(0, 24, 2)),
        draw(st.sampled_from("::::::::;")),
        draw(digits(0, 60, 2)),
        draw(st.sampled_from("::::::::;")),
        draw(digits(0, 60, 2)),
        draw(st.sampled_from(["", ".", ".1", ".12", ".123", ".1239", ".999999999", ".1x", ",1"])),
        draw(st.sampled_from(["Z", "Z", "z", "", "+00:00", "-23:59", "+24:00", "+01:60", "+0100"])),
    ]
    text = "".join(parts)
    if draw(st.integers(0, 9)) == 0:
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.text(max_size=2)) + text[at + 1 :]
    return text


@given(st.lists(st.one_of(almost_timestamps(), st.text(max_size=45)), max_size=8))
@example(["026-11-15T12:34:56.789Z", "2026-11-15T12:34:56.789Z2"])  # of the right length together
@example(["2026-11-15T12:34:56.78\uff19Z"])  # a digit that is not ASCII
@example(["1970-01-01T00:30:00+01:00", "1969-12-31T23:30:00-01:00", "9999-12-31T23:59:59-23:59"])
def test_timestamps_in_columns_give_the_same_as_one_by_one(texts):
    """Some are left to `parse_instant`, or to the check of the year 9999."""
    expected = one_by_one(texts)
    found = parse_timestamps(texts).tolist()
    for text, instant, right in zip(texts, found, expected, strict=True):
        assert instant == right or instant < 0 or instant > LAST, text


@pytest.mark.parametrize("zone", ["Z", "z", "+05:30", "-00:00"])
@pytest.mark.parametrize("decimals", ["", ".1", ".12", ".123", ".1239999", ".123456789"])
def test_every_usual_form_is_parsed_in_columns(decimals, zone):
    """No usual timestamp is left to `parse_instant`."""
    texts = [f"2024-02-29T23:59:59{decimals}{zone}", f"2026-11-15t01:02:03{decimals}{zone}"]
    assert parse_timestamps(texts).tolist() == one_by_one(texts)
    assert parse_timestamps([*texts, "2026-01-01T00:00:00Z", GOOD])[:2].tolist() == one_by_one(
        texts
    )


def test_every_date_of_a_year_is_parsed_or_rejected():
    """The years include leap years, and the dates some that do not exist."""
    texts = [
        f"{year}-{month:02}-{day:02}T12:00:00Z"
        for year in (1970, 1999, 2000, 2023, 2024, 2100, 9999)
        for month in range(14)
        for day in range(33)
    ]
    assert parse_timestamps(texts).tolist() == one_by_one(texts)


def test_no_timestamps_give_no_instants():
    """A block without page views has no timestamps."""
    assert parse_timestamps([]).tolist() == []

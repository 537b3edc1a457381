"""The summary algebra and the profile, against the oracle."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from behavstats.errors import InvalidInput
from behavstats.model.profile import Window, detailed_profile, profile, window
from behavstats.model.summary import Summary, merge
from behavstats.model.timestamps import DAY, MINUTE, parse_instant
from tests.support import oracle
from tests.support.histories import (
    AS_OF,
    as_ofs,
    comparable_detail,
    expected_detail,
    histories,
    summary_of,
    triples,
)


def runs(views):
    """The views of one user as the store returns them: distinct, in order of time."""
    return sorted({(view.instant, view.name) for view in views})


@given(histories(), as_ofs, st.integers(1, 90))
def test_a_profile_equals_that_of_the_oracle(views, as_of, days):
    """All fields and details, for any history, window and instant."""
    user_views = [view for view in views if view.user_id == "u"]
    wanted = window(as_of, days)
    inside = [run for run in runs(user_views) if wanted.start < run[0] <= wanted.as_of]
    expected = oracle.profile(triples(views), "u", as_of, days)
    if expected is None:
        assert not user_views
        return
    answer = detailed_profile("u", summary_of(inside), wanted)
    assert list(answer.items())[:5] == list(expected.items())
    detail = oracle.detail(triples(views), "u", as_of, days)
    assert comparable_detail(answer) == expected_detail(detail)


@given(histories(), st.data())
def test_merged_summaries_equal_the_summary_of_the_joined_run(views, data):
    """For any split of a run in three parts, whichever two are merged first."""
    run = runs(views)
    i, j = sorted(data.draw(st.tuples(*[st.integers(0, len(run))] * 2)))
    a, b, c = summary_of(run[:i]), summary_of(run[i:j]), summary_of(run[j:])
    assert merge(merge(a, b), c) == merge(a, merge(b, c)) == summary_of(run)


@given(histories())
def test_a_summary_equals_the_merged_summaries_of_its_single_views(views):
    """`summarise` gives in a few passes what folding `merge` gives."""
    folded = Summary()
    for view in runs(views):
        folded = merge(folded, summary_of([view]))
    assert folded == summary_of(runs(views))


def test_the_empty_summary_is_the_identity():
    """Merging it on either side changes nothing."""
    some = summary_of([(AS_OF, "/")])
    assert merge(Summary(), some) == merge(some, Summary()) == some
    assert merge(Summary(), Summary()) == Summary() == summary_of([])


def test_overlapping_runs_do_not_merge():
    """The gap between them is not known, so this raises an error."""
    with pytest.raises(ValueError, match="overlapping"):
        merge(summary_of([(AS_OF, "/")]), summary_of([(AS_OF - 1, "/")]))


@pytest.mark.parametrize(
    ("gap", "minutes", "visits"),
    [(30 * MINUTE, 30, 1), (30 * MINUTE + 1, 0, 2), (0, 0, 1), (29_999, 0, 1), (30_000, 1, 1)],
)
def test_a_gap_counts_up_to_30_minutes_and_minutes_are_rounded_half_up(gap, minutes, visits):
    """A gap of exactly 30 minutes is part of a visit; 30 seconds are one minute."""
    summary = summary_of([(AS_OF - gap, "/a"), (AS_OF, "/b")])
    assert profile("u", summary)["time_spent_on_site_in_last_7_days"] == minutes
    assert summary.visits == visits


def test_the_start_of_the_window_is_outside_and_its_end_is_inside():
    """The interval is half-open: (as_of - days * 24 h, as_of]."""
    wanted = window(AS_OF, 7)
    assert (wanted.start, wanted.as_of) == (AS_OF - 7 * DAY, AS_OF)


def test_eight_dates_count_as_at_most_seven_days():
    """The two partial dates of a rolling window count as one day."""
    summary = summary_of((AS_OF - day * DAY + (day == 7), "/") for day in range(7, -1, -1))
    assert len(summary.dates) == 8
    assert profile("u", summary)["number_of_days_active_in_last_7_days"] == 7


@pytest.mark.parametrize(
    ("views", "most_viewed"),
    [
        ([(1, "/a"), (2, "/b"), (3, "/a")], "/a"),
        ([(1, "/a"), (2, "/b")], "/b"),
        ([(2, "/b"), (2, "/a")], "/a"),
        ([(2, "/é"), (2, "/z")], "/z"),
        ([], None),
    ],
)
def test_a_tie_goes_to_the_page_viewed_last_then_to_the_smaller_name(views, most_viewed):
    """Names are compared by code points; without page views, there is no most viewed page."""
    assert profile("u", summary_of(views))["most_viewed_page_in_last_7_days"] == most_viewed


def test_a_profile_has_five_keys_in_order_whose_names_follow_the_days():
    """There is no blank in `..._last_7_days`."""
    assert list(profile("u", Summary())) == [
        "user_id",
        "number_pages_viewed_in_the_last_7_days",
        "time_spent_on_site_in_last_7_days",
        "number_of_days_active_in_last_7_days",
        "most_viewed_page_in_last_7_days",
    ]
    assert list(profile("u", Summary(), 30))[1] == "number_pages_viewed_in_the_last_30_days"


def test_a_window_touches_one_date_more_than_it_has_days():
    """The exception is a window that ends with the last millisecond of a date."""
    end_of_day = parse_instant("2026-11-15T23:59:59.999Z")
    assert len(Window(end_of_day, 7).dates) == 7
    assert len(Window(end_of_day + 1, 7).dates) == 8


@pytest.mark.parametrize("days", [0, 91, -7])
def test_a_window_is_one_to_ninety_days_long(days):
    """For any other length, the error names the field."""
    with pytest.raises(InvalidInput) as refused:
        window(AS_OF, days)
    assert refused.value.field == "days"

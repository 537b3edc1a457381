"""Partial summaries in columns give the same as the plain summaries."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from behavstats.model.summary import TOP_PAGES, PageTally, merge, top_pages
from behavstats.model.summary_vectorized import (
    merge_partials,
    pack,
    summarise_columns,
    top_candidates,
    unpack,
)
from behavstats.model.timestamps import DAY
from tests.support.histories import AS_OF, summary_of

START = AS_OF - AS_OF % DAY
views = st.lists(
    st.tuples(st.integers(START, START + DAY - 1), st.integers(1, 30)), max_size=60, unique=True
).map(sorted)


def partial(views):
    columns = zip(*views, strict=True) if views else ([], [])
    return summarise_columns(*(np.array(column, np.int64) for column in columns))


def summary(partial):
    """Return a partial summary as a summary whose pages are named by their keys."""
    columns = (column.tolist() for column in partial.tallies)
    pages = {page: PageTally(*tally) for page, *tally in zip(*columns, strict=True)}
    return type(partial.summary)(
        *(getattr(partial.summary, n) for n in partial.summary.__struct_fields__[:-1]), pages
    )


@given(views)
def test_a_partial_summary_equals_the_summary_of_its_views(views):
    """NumPy gives the same numbers as the loops."""
    assert summary(partial(views)) == summary_of(views)


@given(views, st.integers(0, 60), st.integers(0, 60))
def test_merged_partial_summaries_equal_merged_summaries(views, i, j):
    """The views can be cut anywhere, and parts can be empty."""
    i, j = sorted((i, j))
    parts = views[:i], views[i:j], views[j:]
    whole = merge_partials([partial(part) for part in parts])
    first, second, third = map(summary_of, parts)
    assert summary(whole) == merge(merge(first, second), third)


@given(views)
def test_packed_tallies_are_unpacked_unchanged(views):
    """Instants keep their milliseconds."""
    tallies = partial(views).tallies
    packed = pack(tallies, START)
    assert len(packed) == 16 * len(tallies.pages)
    for column, same in zip(unpack(packed, START), tallies, strict=True):
        assert column.tolist() == same.tolist()


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), max_size=40))
def test_the_top_candidates_include_the_top_pages_whatever_their_names_are(tallies):
    """All pages that tie for the last place are candidates, since their names decide."""
    views = sorted((START + last, page) for page, (n, last) in enumerate(tallies) for _ in range(n))
    whole = summary(partial(views))
    kept = top_candidates(partial(views).tallies)
    named = {f"/{-page % 7}/{page}": tally for page, tally in whole.pages.items()}
    top = top_pages(type(whole)(pages=named))
    kept_names = {f"/{-page % 7}/{page}" for page in kept.pages.tolist()}
    assert {name for name, _ in top} <= kept_names
    assert len(kept_names) >= min(TOP_PAGES, len(named))

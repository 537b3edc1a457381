"""Rows with keys: a list and an array behave alike."""

from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from behavstats.model.page_view import PageView
from behavstats.store.sqlite.keyed_rows import FewRows, users_with_rows
from behavstats.store.sqlite.many_rows import ManyRows
from tests.support.histories import AS_OF

rows = st.lists(
    st.tuples(st.integers(1, 1 << 40), st.integers(0, 100), st.integers(1, 5)), min_size=1
)


@given(rows, st.integers(1, 10))
def test_an_array_of_rows_behaves_like_a_list_of_rows(rows, divisor):
    """They agree in the order of users, in values, pages, and in the rows they choose."""
    few = FewRows(rows)
    many = ManyRows(*np.array(rows, np.int64).T)
    assert list(many.users) == list(few.users) == sorted({user for user, _, _ in rows})
    assert [*chain(*many.values())] == [*chain(*few.values())]
    assert sorted(many.pages()) == sorted(few.pages())
    for users in (set(), {rows[0][0]}):
        assert many.chosen(users, divisor) == few.chosen(users, divisor)


@pytest.mark.parametrize("users", [[], [2], [1, 2, 3, 4], [2, 40], [3, 1000]])
def test_users_with_rows_are_found_by_each_kind_of_query(store, users):
    """One user, neighbours, and users far apart."""
    for number in range(1, 51):
        store.add([PageView(f"u{number}", AS_OF, "/")])
    with store.database.locked() as connection:
        connection.execute("DELETE FROM page_view WHERE user % 2")
        found = users_with_rows(connection, "page_view", users)
    assert found == {user for user in users if user <= 50 and user % 2 == 0}

"""The store against the oracle, whatever the history."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from behavstats.errors import UnknownUser
from behavstats.store import create_store
from tests.support.histories import USERS, as_ofs, batches
from tests.support.stores import check_profile, export


@settings(max_examples=150)
@given(batches(), st.lists(as_ofs, min_size=1, max_size=3), st.integers(1, 90))
def test_a_profile_from_the_store_is_what_the_oracle_says(engine, batches, as_ofs, days):
    """Whatever the history, however it was split and ordered, wherever the window lies."""
    views = [view for batch in batches for view in batch]
    with create_store(engine.new_address(), lock_timeout=10) as store:
        added = [store.add(batch) for batch in batches]
        assert sum(added) == len(set(views))
        for user_id in USERS:
            for as_of in as_ofs:
                check_profile(store, views, user_id, as_of, days)


@settings(max_examples=50)
@given(batches(), st.integers(0, 4))
def test_after_forget_the_store_is_as_if_the_user_had_never_existed(engine, batches, when):
    """Later page views are all that is left of the user, and other users do not change."""
    before, after = batches[:when], batches[when:]
    with (
        create_store(engine.new_address(), lock_timeout=10) as store,
        create_store(engine.new_address(), lock_timeout=10) as innocent,
    ):
        for batch in before:
            store.add(batch)
            innocent.add([view for view in batch if view.user_id != "u"])
        views = {view for batch in before for view in batch if view.user_id == "u"}
        if views:
            assert store.forget("u")[:2] == ("u", len(views))
        else:
            with pytest.raises(UnknownUser):
                store.forget("u")
        for batch in after:
            assert store.add(batch) == innocent.add(batch)
        for user_id in USERS:
            assert export(store, user_id) == export(innocent, user_id)
        assert engine.page_names(store) == engine.page_names(innocent)

"""Page views whose instant depends on their arrival are stored once, even if sent again."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from behavstats.errors import UnknownUser
from behavstats.model.columns import PageViews
from behavstats.model.page_view import PageView
from behavstats.store import create_store
from tests.support.histories import AS_OF, NAMES, USERS, listed
from tests.support.stores import columns, export, load


def dated(instant, message=b"m1", claimed_time=None, user="u", name="/"):
    return PageView(user, instant, name, arrival_key=message, claimed_time=claimed_time)


def add(store, views):
    return store.add(views)


def places(store, user="u"):
    return [(view.instant, view.name) for view in export(store, user) or ()]


def test_a_message_that_arrives_again_adds_nothing(store):
    """It may come in another batch or in the same one; only the same user counts."""
    assert store.add([dated(AS_OF)]) == 1
    assert store.add([dated(AS_OF + 60_000)]) == 0
    assert store.add([dated(AS_OF + 1, b"m2"), dated(AS_OF + 2, b"m2")]) == 1
    assert store.add([dated(AS_OF + 3, user="v")]) == 1
    assert places(store) == [(AS_OF, "/"), (AS_OF + 1, "/")]


def test_a_page_view_stored_by_claimed_time_is_not_stored_again_by_arrival(store):
    """The message came in time first, and then so late that the sender's clock seemed wrong."""
    assert store.add([PageView("u", AS_OF, "/")]) == 1
    assert store.add([dated(AS_OF + 600_000, claimed_time=AS_OF)]) == 0
    assert store.add([dated(AS_OF + 600_000, claimed_time=AS_OF, name="/other")]) == 1
    assert store.add([dated(AS_OF + 600_000, claimed_time=AS_OF, user="v")]) == 1
    assert places(store) == [(AS_OF, "/"), (AS_OF + 600_000, "/other")]


@pytest.mark.parametrize("add", [add, load])
def test_a_page_view_stored_by_arrival_is_not_stored_again_by_claimed_time(store, add):
    """A file, for example, has no time of arrival. Only the same user and page count."""
    assert store.add([dated(AS_OF + 600_000, claimed_time=AS_OF), dated(AS_OF + 1, user="v")]) == 2
    assert add(store, [PageView("u", AS_OF, "/")]) == 0
    others = [("u", AS_OF, "/other"), ("u", AS_OF + 1, "/"), ("v", AS_OF, "/"), ("w", AS_OF, "/")]
    assert add(store, [PageView("u", AS_OF, "/"), *(PageView(*other) for other in others)]) == 4
    assert places(store) == [(AS_OF, "/other"), (AS_OF + 1, "/"), (AS_OF + 600_000, "/")]


@pytest.mark.parametrize("first", [0, 1])
def test_a_page_view_that_a_batch_holds_by_both_times_is_stored_once(store, first):
    """The page view gets the time of its arrival, in either order."""
    both = [PageView("u", AS_OF, "/"), dated(AS_OF + 600_000, claimed_time=AS_OF)]
    assert store.add([both[first], both[1 - first]]) == 1
    assert places(store) == [(AS_OF + 600_000, "/")]


def test_arrival_keys_outlive_the_process(address):
    """They are in the file."""
    for add, new in ((AS_OF, 1), (AS_OF + 1, 0)):
        with create_store(address, lock_timeout=10) as store:
            assert store.add([dated(add)]) == new


def add_to_model(views, messages, batch):
    """Add a batch to a set of page views, in the simplest way; return how many were new."""
    stored = frozenset(views)
    for view in sorted(batch, key=lambda view: not view.arrival_key):
        claimed = (view.user_id, view.claimed_time, view.name)
        if view.arrival_key:
            message = (view.user_id, view.arrival_key)
            if claimed in stored or message in messages:
                continue
            messages |= {message, claimed}
        elif (view.user_id, view.instant, view.name) in messages:
            continue
        views.add((view.user_id, view.instant, view.name))
    return len(views) - len(stored)


few = st.integers(AS_OF, AS_OF + 5)
dated_views = st.builds(
    dated,
    few,
    st.sampled_from([b"m1", b"m2", b"m3"]),
    st.none() | few,
    st.sampled_from(USERS),
    st.sampled_from(NAMES[:2]),
)
plain_views = st.builds(PageView, st.sampled_from(USERS), few, st.sampled_from(NAMES[:2]))
steps = st.lists(
    st.sampled_from(USERS)
    | st.lists(dated_views | plain_views, max_size=6)
    | st.builds(columns, st.lists(plain_views, max_size=6)),
    max_size=8,
)


@settings(max_examples=60)
@given(steps)
def test_any_history_of_such_page_views_leads_to_what_a_simple_model_says(engine, steps):
    """Batches, page views in columns, and users who are forgotten in between."""
    views, messages = set(), set()
    with create_store(engine.new_address(), lock_timeout=10) as store:
        for step in steps:
            if isinstance(step, list):
                assert store.add(step) == add_to_model(views, messages, step)
                continue
            if isinstance(step, PageViews):
                added = sum(added for _, added in store.load(step))
                assert added == add_to_model(views, messages, listed(step))
                continue
            with suppress(UnknownUser):
                store.forget(step)
            for known in (views, messages):
                known -= {one for one in known if one[0] == step}
        for user in USERS:
            assert places(store, user) == sorted(view[1:] for view in views if view[0] == user)
        assert list(store.check()) == []

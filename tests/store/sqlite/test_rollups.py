"""Rollups of busy hours and days, against the oracle and against the page views."""

import sqlite3
from contextlib import closing, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from behavstats.errors import UnknownUser
from behavstats.model.page_view import PageView
from behavstats.model.profile import window
from behavstats.model.timestamps import DAY, HOUR
from behavstats.store import create_store
from behavstats.store.sqlite import queries, rollups
from behavstats.store.sqlite.store import SqliteStore
from tests.store.sqlite.conftest import few_are_many
from tests.support.histories import AS_OF, USERS, as_ofs, histories
from tests.support.stores import check_profile, load

TODAY = AS_OF - AS_OF % DAY


def forget(store, user):
    with suppress(UnknownUser):
        store.forget(user)


steps = st.lists(
    st.one_of(
        st.tuples(st.just(SqliteStore.add), histories()),
        st.tuples(st.just(load), histories()),
        st.tuples(st.just(SqliteStore.refresh_rollups), st.just(60)),
        st.tuples(st.just(forget), st.sampled_from(USERS)),
    ),
    max_size=8,
)


@settings(max_examples=150)
@given(steps, st.lists(as_ofs, min_size=1, max_size=3), st.integers(1, 90))
def test_a_profile_from_rollups_is_what_the_oracle_says(tmp_path_factory, steps, as_ofs, days):
    """Page views may be late or repeated, users erased, rollups refreshed, in any window."""
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        create_store(tmp_path_factory.mktemp("s") / "store.db", lock_timeout=10) as store,
    ):
        few_are_many(monkeypatch)
        views = []
        for step, argument in steps:
            step(store, argument)
            if step is forget:
                views = [view for view in views if view.user_id != argument]
            elif step is not SqliteStore.refresh_rollups:
                views += argument
        for user_id in USERS:
            for as_of in as_ofs:
                check_profile(store, views, user_id, as_of, days)


def busy_hours(user, hours, views=rollups.MANY):
    """Page views of whole hours up to now, so many in each."""
    return [
        PageView(user, AS_OF - hour * HOUR - n * (HOUR // views), f"/{n % 37}")
        for hour in range(hours)
        for n in range(views)
    ]


@pytest.fixture
def busy(store):
    """A store with a user of three busy hours, whose rollups are fresh."""
    load(store, busy_hours("busy", 3))
    store.refresh_rollups()
    return store


def kept(store):
    """The rollups in the store: span and start of each."""
    with closing(sqlite3.connect(store.path)) as connection:
        return set(connection.execute("SELECT span, start FROM summary"))


def test_only_busy_hours_and_days_have_rollups(busy):
    """A light user costs neither space nor time."""
    busy.add([PageView("light", AS_OF - n, "/") for n in range(50)])
    busy.refresh_rollups()
    with closing(sqlite3.connect(busy.path)) as connection:
        rows = connection.execute(
            "SELECT user_id, span, count(*) FROM summary JOIN user ON user.id = user GROUP BY 1, 2"
        ).fetchall()
    hours = sum(span == HOUR for _, span, _ in rows)
    assert {user for user, _, _ in rows} == {"busy"}
    assert hours == 1
    assert ("busy", DAY, 1) in rows


def test_a_late_page_view_drops_the_rollups_of_its_hour_and_its_day_alone(busy):
    """They are dropped in the transaction that adds it, and are there again after a refresh."""
    before = kept(busy)
    late = AS_OF - HOUR - 1
    busy.add([PageView("busy", late, "/late")])
    assert before - kept(busy) == {(HOUR, late - late % HOUR), (DAY, late - late % DAY)}
    busy.refresh_rollups()
    assert kept(busy) == before
    assert list(busy.check()) == []


def test_a_repeated_page_view_drops_no_rollup(busy):
    """It adds nothing, so rollups stay correct."""
    before = kept(busy)
    again = busy_hours("busy", 3)
    assert busy.add(again[:10]) == 0
    assert load(busy, again) == 0
    assert kept(busy) == before


def test_a_user_who_becomes_busy_post_by_post_is_noticed(store):
    """No count is kept; one page view in a thousand records its day as stale."""
    views = [PageView("busy", TODAY + n * 1_000, f"/{n % 9}") for n in range(3_000)]
    for start in range(0, len(views), 50):
        store.add(views[start : start + 50])
    store.refresh_rollups()
    assert (DAY, TODAY) in kept(store)


def test_reading_a_busy_user_touches_few_page_views(busy, monkeypatch):
    """Only page views of hours that the window cuts are read, as the other hours have rollups."""
    read = []
    summarise = rollups._summarise_page_views

    def spy(*arguments):
        read.append(summarise(*arguments))
        return read[-1]

    monkeypatch.setattr(rollups, "_summarise_page_views", spy)
    summary = busy.summary("busy", window(AS_OF + DAY, 7))
    assert summary.views == 3 * rollups.MANY
    assert sum(partial.summary.views for partial in read) == 0
    summary = busy.summary("busy", window(AS_OF - HOUR // 2, 7))
    assert sum(partial.summary.views for partial in read) < 2 * rollups.MANY


def statements(store, user, wanted):
    store.summary(user, wanted)
    executed = []
    (connection,) = store.database.connections.idle
    connection.set_trace_callback(executed.append)
    store.summary(user, wanted)
    connection.set_trace_callback(None)
    return executed


def test_a_light_user_is_read_with_one_statement(busy):
    """They come in one row, however many page views are in the window."""
    busy.add([PageView("light", AS_OF - n * 1_000, f"/{n}") for n in range(200)])
    assert len(statements(busy, "light", window(AS_OF))) == 1


def test_a_busy_user_is_read_with_few_statements(busy):
    """They read days, hours at both ends, page views at the outer ends, and names of top pages."""
    assert len(statements(busy, "busy", window(AS_OF - HOUR // 2, 7))) <= 16


@pytest.mark.parametrize(
    "query", [queries._WINDOW, queries._NAMES, rollups._ROLLUPS, rollups._PAGE_VIEWS]
)
def test_no_statement_of_a_read_goes_through_a_whole_table(store, query):
    """Each table is searched by its key."""
    with store.database.reading() as connection:
        values = [0] * (query.count("?") if "?1" not in query else 4)
        plan = [row[3] for row in connection.execute("EXPLAIN QUERY PLAN " + query, values)]
    tables = ("user", "page", "page_view", "summary")
    scans = [step for step in plan if step.startswith("SCAN")]
    assert not any(step.split()[1] in tables for step in scans)
    assert any(step.startswith("SEARCH") for step in plan)


def test_a_group_of_posts_takes_as_many_statements_for_many_users_as_for_few(store):
    """One statement finds the users who have rollups."""

    def statements_for(count):
        views = [PageView(f"light{n}", AS_OF, "/") for n in range(count)]
        store.add(views)  # whose keys are remembered then
        executed = []
        store.database.writer.set_trace_callback(executed.append)
        store.add([PageView(view.user_id, AS_OF + count, "/") for view in views])
        store.database.writer.set_trace_callback(None)
        return [text for text in executed if "INTO page_view" not in text]

    for number in range(2):  # the log begins again, and then has the store's state
        store.add([PageView("u", AS_OF, f"/{number}")])
    assert len(statements_for(99)) == len(statements_for(9))


def test_a_damaged_page_view_does_not_block_the_rollups_of_other_users(busy):
    """`check` reports the damage."""
    busy.add(busy_hours("other", 2))
    busy.add([PageView("busy", AS_OF - 1, "/late")])
    with closing(sqlite3.connect(busy.path)) as connection:
        connection.execute("UPDATE page_view SET ts = ts + 0.5 WHERE user = 1 AND page = 3")
        connection.commit()
    load(busy, busy_hours("other", 2, views=1_500))
    busy.refresh_rollups()
    with closing(sqlite3.connect(busy.path)) as connection:
        assert connection.execute("SELECT count(*) FROM summary WHERE user = 2").fetchone() > (0,)
    assert list(busy.check())


def test_after_forget_no_rollup_of_the_user_is_left(busy):
    """No stale day is left either."""
    busy.add([PageView("busy", AS_OF - 1, "/late")])
    busy.forget("busy")
    assert busy.counts() == (0, 0)
    busy.refresh_rollups()
    assert list(busy.check()) == []
    assert busy.counts() == (0, 0)

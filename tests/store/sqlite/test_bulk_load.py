"""Page views in columns, against the same page views one by one."""

from contextlib import contextmanager, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from behavstats.errors import UnknownUser
from behavstats.model.page_view import PageView
from behavstats.store import create_store
from behavstats.store.sqlite import key_cache
from behavstats.store.sqlite import store as store_module
from behavstats.store.sqlite.bulk_load import BulkLoad
from behavstats.store.sqlite.insert import insert_page_views
from tests.support.histories import AS_OF, USERS, batches, histories
from tests.support.stores import VIEW, columns, export, load


@settings(max_examples=60)
@given(batches(), st.integers(1, 7))
def test_a_load_in_columns_stores_what_adding_a_list_stores(tmp_path_factory, batches, at_once):
    """Whatever the store holds already, and however small the transactions are."""
    folder = tmp_path_factory.mktemp("s")
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        create_store(folder / "columns.db", lock_timeout=10) as store,
        create_store(folder / "list.db", lock_timeout=10) as other,
    ):
        monkeypatch.setattr(store_module, "_LOADED_AT_ONCE", at_once)
        for batch in batches:
            assert load(store, batch) == other.add(batch)
        for user_id in USERS:
            assert export(store, user_id) == export(other, user_id)
        assert list(store.check()) == []


@settings(max_examples=40)
@given(histories(), histories())
def test_what_others_add_between_two_transactions_of_a_load_is_kept(
    tmp_path_factory, views, others
):
    """No text has two keys, and no key two texts."""
    path = tmp_path_factory.mktemp("s") / "store.db"
    with loading_by_five(path) as (store, other):
        for _ in store.load(columns(views)):
            other.add(others)
        added = set(others) if views else set()
        assert stored(store) == set(views) | added
        assert list(store.check()) == []


@settings(max_examples=40)
@given(histories(), histories())
def test_what_is_added_through_the_same_store_meanwhile_is_kept(tmp_path_factory, views, others):
    """Another thread may add page views."""
    path = tmp_path_factory.mktemp("s") / "store.db"
    with loading_by_five(path) as (store, _):
        for _ in store.load(columns(views)):
            store.add(others)
        assert stored(store) == set(views) | set(others if views else ())
        assert list(store.check()) == []


@settings(max_examples=40)
@given(histories())
def test_keys_that_leave_the_cache_between_two_transactions_of_a_load_are_found_again(
    tmp_path_factory, views
):
    """The load must not take a text that it inserted itself for one that has no key."""
    path = tmp_path_factory.mktemp("s") / "store.db"
    with loading_by_five(path) as (store, _), pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(key_cache, "_MAX_BYTES", 0)
        added = 0
        for _, new in store.load(columns(views)):
            added += new
            assert store.add([]) == 0  # drops the cached keys, and changes nothing
        assert added == len(set(views))
        assert stored(store) == set(views)
        assert list(store.check()) == []


@settings(max_examples=40)
@given(histories())
def test_a_user_who_is_erased_between_two_transactions_of_a_load_gets_a_new_key(
    tmp_path_factory, views
):
    """What was stored before is gone; only what comes later is stored."""
    path = tmp_path_factory.mktemp("s") / "store.db"
    with loading_by_five(path) as (store, other):
        for _ in store.load(columns(views)):
            with suppress(UnknownUser):
                other.forget("u")
            assert not any(view.user_id == "u" for view in stored(store))
        assert stored(store) == {view for view in views if view.user_id != "u"}
        assert list(store.check()) == []


@contextmanager
def loading_by_five(path):
    """Two open stores on one file, where transactions take five page views."""
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        create_store(path, lock_timeout=10) as store,
        create_store(path, lock_timeout=10) as other,
    ):
        monkeypatch.setattr(store_module, "_LOADED_AT_ONCE", 5)
        yield store, other


def stored(store):
    """All page views of all users."""
    return {view for user in USERS for view in export(store, user) or ()}


class RolledBackError(Exception):
    """Ends a transaction."""


def test_keys_of_a_transaction_that_is_rolled_back_are_not_used(store):
    """They may be in the cache while a load in another thread looks its keys up."""
    views = [PageView("new", AS_OF, "/new")]
    store.add([VIEW])
    loading = BulkLoad(columns(views), store._keys)
    database = store.database
    with database.reading() as reader:
        with suppress(RolledBackError), database.locked() as writer, database.transaction(writer):
            insert_page_views(writer, store._keys, views)
            order = loading.prepare(reader)
            raise RolledBackError
        with database.writing() as writer:
            assert loading.insert(writer, order) == 1
    assert export(store, "new") == views
    assert list(store.check()) == []


def test_a_key_that_is_cached_during_the_look_up_of_a_load_is_used(store, monkeypatch):
    """Another thread may add page views that are stored already, which changes nothing."""
    assert [store.add([VIEW]), store.add([VIEW])] == [1, 0]
    store._keys.forget()

    def look_up_late(cache, connection, texts):
        monkeypatch.undo()
        store.add([VIEW])
        return cache.look_up(connection, texts)

    monkeypatch.setattr(key_cache.KeyCache, "look_up", look_up_late)
    assert load(store, [VIEW]) == 0
    assert stored(store) == {VIEW}


def test_a_load_takes_a_number_of_statements_that_does_not_grow_with_its_users(store):
    """Keys are found for all users of a transaction at once; an INSERT has a hundred rows."""

    def statements(count):
        views = [PageView(f"user-{count}-{n}", AS_OF, "/") for n in range(count)]
        executed = []
        store.add([PageView("first", AS_OF, "/")])  # which opens the connection that writes
        store.database.writer.set_trace_callback(executed.append)
        assert load(store, views) == count
        store.database.writer.set_trace_callback(None)
        return [text.split("VALUES")[0] for text in executed]

    many = statements(6_000)
    assert sum("INSERT OR IGNORE INTO page_view" in text for text in many) == 60
    assert sum("INTO page_view" not in text and "INTO user" not in text for text in many) < 40


def test_a_batch_is_inserted_user_by_user(store):
    """So each page of the file is met once, whatever the order of the batch."""
    views = [PageView(f"u{n % 7}", AS_OF - n, "/") for n in range(50)]
    load(store, views)
    again = columns(views)
    executed = []
    with store.database.locked() as connection:
        connection.execute("DELETE FROM page_view")
        connection.set_trace_callback(executed.append)
    for _ in store.load(again):
        pass
    rows = [text for text in executed if "INTO page_view" in text]
    users = [int(text.split("(")[-1].split(",")[0]) for text in rows]
    assert len(users) == 50
    assert users == sorted(users)

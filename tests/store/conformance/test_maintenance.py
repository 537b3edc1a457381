"""Housekeeping, checks and backups, and what a store says about itself."""

import os

import pytest

from behavstats.errors import NoStore
from behavstats.model.page_view import PageView
from behavstats.store import create_store, is_among, open_store
from tests.support.histories import AS_OF
from tests.support.stores import VIEW, export


def test_a_store_that_was_not_created_cannot_be_opened(address):
    """Trying to open the store does not create it."""
    for _ in range(2):
        with pytest.raises(NoStore):
            open_store(address, lock_timeout=1)


def test_housekeeping_changes_no_page_view(store):
    """This holds however often the housekeeping is done."""
    store.add([VIEW])
    for _ in range(2):
        store.maintain()
        store.ensure_available()
        store.check_readable()
        store.check_writable()
        assert store.refresh_rollups() is False
        store.repair()
    assert export(store, "u") == [VIEW]
    assert list(store.check()) == []


def test_counts_and_the_newest_page_view_follow_what_is_stored(store):
    """An empty store has zeros."""
    assert (store.counts(), store.newest()) == ((0, 0), 0)
    store.add([VIEW, PageView("v", AS_OF + 5, "/")])
    assert (store.counts(), store.newest()) == ((2, 0), AS_OF + 5)
    store.forget("v")
    assert (store.counts(), store.newest()) == ((1, 0), AS_OF)


def test_a_store_tells_where_it_is_and_how_large(store):
    """Another process can open the same store by its address."""
    store.add([VIEW])
    assert store.sizes()["store"] > 0
    with open_store(store.address, lock_timeout=10) as other:
        assert export(other, "u") == [VIEW]


def test_a_stores_own_files_are_known_by_whatever_name(store, tmp_path):
    """So these files are not ingested."""
    store.add([VIEW])
    there = [file for file in store.files() if file.exists()]
    for number, file in enumerate(there):
        link = tmp_path / f"link{number}"
        os.symlink(file, link)
        assert is_among(store.files(), file)
        assert is_among(store.files(), link)
    for other in (tmp_path, tmp_path / "missing", "-", "\0"):
        assert not is_among(store.files(), other)


def test_without_any_waiting_a_store_is_still_written_to(address):
    """As long as no other process holds the lock."""
    with create_store(address, lock_timeout=10) as store:
        store.wait_at_most(0)
        assert store.add([VIEW]) == 1

"""Several open stores at one address, and several threads on one store."""

import threading

import pytest

from behavstats.model.page_view import PageView
from behavstats.model.profile import window
from behavstats.store import create_store, open_store
from tests.support.histories import AS_OF
from tests.support.stores import VIEW, export


def test_a_store_can_be_opened_at_any_moment_of_a_growing_ingest(store, address):
    """Housekeeping runs meanwhile, and the store grows."""
    stop = threading.Event()
    errors = []

    def reopen():
        while not stop.is_set():
            try:
                open_store(address, lock_timeout=30).close()
            except Exception as error:
                errors.append(error)

    opener = threading.Thread(target=reopen)
    opener.start()
    for start in range(0, 60_000, 2000):
        store.add([PageView(f"user{start + n}", AS_OF, f"/{start + n}") for n in range(2000)])
        store.maintain()
    stop.set()
    opener.join()
    assert errors == []


def test_a_store_used_again_after_close_has_no_stale_keys(address):
    """The store opens a new connection and drops the cached keys."""
    store = create_store(address, lock_timeout=1)
    store.add([VIEW])
    store.close()
    with open_store(address, lock_timeout=1) as other:
        other.forget("u")
    store.add([VIEW])
    assert export(store, "u") == [VIEW]
    store.close()


@pytest.mark.parametrize("_round", range(10))
def test_concurrent_creation_makes_one_store(address, _round):
    """One of the programs creates the store; the others wait for it and open the store."""
    stores, errors = [], []
    start = threading.Barrier(8)

    def make():
        start.wait()
        try:
            stores.append(create_store(address, lock_timeout=60))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert [store.add([VIEW]) for store in stores] == [1] + [0] * 7
    for store in stores:
        store.close()


def test_readers_in_threads_see_whole_batches(store):
    """Whatever is written meanwhile, a summary is of one snapshot."""
    wanted = window(AS_OF + 1000)
    store.add([VIEW])
    stop = threading.Event()
    seen = set()

    def read():
        while not stop.is_set():
            seen.add(store.summary("u", wanted).views % 10)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for start in range(1, 500, 10):
        store.add([PageView("u", AS_OF + start + number, "/") for number in range(10)])
    stop.set()
    for reader in readers:
        reader.join()
    assert seen == {1}


def test_a_forgotten_user_does_not_stay_in_the_cache_of_another_store(address):
    """Two open stores at one address have separate caches of keys."""
    with (
        create_store(address, lock_timeout=10) as one,
        open_store(address, lock_timeout=10) as other,
    ):
        one.add([VIEW])
        other.add([VIEW])
        other.forget("u")
        newcomer = PageView("newcomer", AS_OF, "/")
        other.add([newcomer])
        one.add([PageView("u", AS_OF + 5, "/")])
        assert export(other, "u") == [PageView("u", AS_OF + 5, "/")]
        assert export(one, "newcomer") == [newcomer]

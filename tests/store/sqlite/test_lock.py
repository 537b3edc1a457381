"""The store's lock: one holder at a time, in order, across threads and processes."""

import multiprocessing
import threading
from contextlib import ExitStack
from itertools import pairwise

import pytest

from behavstats.errors import StoreBusy, StoreUnavailable
from behavstats.store import create_store, open_store
from behavstats.store.sqlite.lock import StoreLock
from tests.support.edge import is_waited_for, wait_until
from tests.support.stores import VIEW, export


def _count_up(path, counter, times):
    for _ in range(times):
        with StoreLock(path, lock_timeout=30).held():
            value = int(counter.read_text())
            counter.write_text(str(value + 1))


def test_processes_and_threads_take_turns(db, tmp_path):
    """No increment of a number in a file is lost."""
    counter = tmp_path / "counter"
    counter.write_text("0")
    spawn = multiprocessing.get_context("spawn")
    workers = [
        *(spawn.Process(target=_count_up, args=(db, counter, 200)) for _ in range(2)),
        *(threading.Thread(target=_count_up, args=(db, counter, 200)) for _ in range(2)),
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert counter.read_text() == "800"


def test_waiting_writers_acquire_the_lock_in_order(db):
    """A writer that releases the lock and asks again at once queues behind the others."""
    holders, ended = [], []

    def take(name):
        for _ in range(20):
            with StoreLock(db, lock_timeout=60).held():
                holders.append(name)
                wait_until(lambda: is_waited_for(db) or len(ended) == 2)
        ended.append(name)

    threads = [threading.Thread(target=take, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while_others_wait = holders[:40]  # of sixty: after that, two writers may have finished
    assert all(one != following for one, following in pairwise(while_others_wait)), holders


def test_the_lock_timeout_raises_store_busy(db):
    """The lock can be acquired afterwards."""
    impatient = StoreLock(db, lock_timeout=0.05).held()
    with (
        StoreLock(db, lock_timeout=1).held(),
        pytest.raises(StoreBusy, match="held its lock"),
        impatient,
    ):
        pass
    with StoreLock(db, lock_timeout=0).held():
        pass


def test_a_long_wait_is_reported_once(db):
    """A short wait is not reported."""
    notices = []

    def on_wait():
        notices.append(1)
        threading.Timer(0.2, other.close).start()  # after many attempts to acquire the lock

    with ExitStack() as other:
        other.enter_context(StoreLock(db, lock_timeout=1).held())
        with StoreLock(db, lock_timeout=60, on_wait=on_wait).held():
            assert notices == [1]
    with StoreLock(db, lock_timeout=60, on_wait=on_wait).held():
        assert notices == [1]


def test_an_error_releases_the_lock(db):
    """Even KeyboardInterrupt does."""
    with pytest.raises(KeyboardInterrupt), StoreLock(db, lock_timeout=1).held():
        raise KeyboardInterrupt
    with StoreLock(db, lock_timeout=0).held():
        pass


def test_a_lock_file_that_cannot_be_created_is_an_error(tmp_path):
    """For example, its folder may be missing."""
    nowhere = StoreLock(tmp_path / "missing" / "store.db", lock_timeout=0).held()
    with pytest.raises(StoreUnavailable, match="No such file"), nowhere:
        pass


def test_closing_while_another_holds_the_store_is_no_error(db):
    """Everything is stored by then; the other process empties the WAL."""
    store = create_store(db, lock_timeout=0.05)
    store.add([VIEW])
    with StoreLock(db, lock_timeout=1).held():
        store.close()
    with open_store(db, lock_timeout=1) as again:
        assert export(again, "u") == [VIEW]


def test_a_store_can_be_told_to_wait_less(db, store):  # noqa: ARG001  it makes the store
    """From then on, a busy store is an error that comes without a notice."""
    notices = []
    with open_store(db, 60, lambda: notices.append("waiting")) as patient:
        patient.wait_at_most(0)
        with StoreLock(db, lock_timeout=10).held(), pytest.raises(StoreBusy):
            patient.check_writable()
    assert notices == []

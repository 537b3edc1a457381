"""The store's lock: one holder at a time, in turn, across threads and processes."""

import multiprocessing
import threading
from contextlib import ExitStack
from itertools import pairwise

import pytest

from behavstats.errors import StoreBusy, StoreUnavailable
from behavstats.store import Store
from behavstats.store.sqlite.lock import StoreLock
from tests.support.edge import is_waited_for, wait_until


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


def test_who_waits_gets_the_next_turn(db):
    """One that lets go and comes again at once stands behind those who were waiting."""
    turns, ended = [], []

    def take(name):
        for _ in range(20):
            with StoreLock(db, lock_timeout=60).held():
                turns.append(name)
                wait_until(lambda: is_waited_for(db) or len(ended) == 2)
        ended.append(name)

    threads = [threading.Thread(target=take, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while_others_wait = turns[:40]  # of sixty: by then, two may have had all of theirs
    assert all(one != following for one, following in pairwise(while_others_wait)), turns


def test_patience_ends_with_an_error(db):
    """And the lock can be had again afterwards."""
    impatient = StoreLock(db, lock_timeout=0.05).held()
    with StoreLock(db, lock_timeout=1).held(), pytest.raises(StoreBusy, match="no turn"), impatient:
        pass
    with StoreLock(db, lock_timeout=0).held():
        pass


def test_a_long_wait_is_told_once(db):
    """And a short one not at all."""
    told = []

    def on_wait():
        told.append(1)
        threading.Timer(0.2, other.close).start()  # many looks at the lock later

    with ExitStack() as other:
        other.enter_context(StoreLock(db, lock_timeout=1).held())
        with StoreLock(db, lock_timeout=60, on_wait=on_wait).held():
            assert told == [1]
    with StoreLock(db, lock_timeout=60, on_wait=on_wait).held():
        assert told == [1]


def test_an_error_inside_lets_go(db):
    """Whatever it is."""
    with pytest.raises(KeyboardInterrupt), StoreLock(db, lock_timeout=1).held():
        raise KeyboardInterrupt
    with StoreLock(db, lock_timeout=0).held():
        pass


def test_a_lock_file_that_cannot_be_made_is_an_error(tmp_path):
    """In a folder that is not there, say."""
    nowhere = StoreLock(tmp_path / "missing" / "store.db", lock_timeout=0).held()
    with pytest.raises(StoreUnavailable, match="No such file"), nowhere:
        pass


def test_a_store_can_be_told_to_wait_less(db, store):  # noqa: ARG001  it makes the store
    """From then on, a busy store is an error that comes without a notice."""
    notices = []
    with Store.open(db, 60, lambda: notices.append("waiting")) as patient:
        patient.wait_at_most(0)
        with StoreLock(db, lock_timeout=10).held(), pytest.raises(StoreBusy):
            patient.check_writable()
    assert notices == []

"""Group commit: one transaction for all that waits."""

import threading
import time

import pytest

from behavstats.errors import StoreBusy
from behavstats.events import PageView
from behavstats.groupcommit import GroupCommit

VIEWS = [PageView("u", number, "/") for number in range(20)]


def run_all(target, arguments):
    threads = [threading.Thread(target=target, args=(argument,)) for argument in arguments]
    for thread in threads:
        thread.start()
    return threads


def test_page_views_that_arrive_during_a_commit_share_the_next():
    """The first is committed alone, all others together."""
    groups = []
    first_is_under_way, all_have_arrived = threading.Event(), threading.Event()

    def commit(views):
        groups.append(list(views))
        first_is_under_way.set()
        assert all_have_arrived.wait(10)

    group = GroupCommit(commit)
    threads = run_all(group.add, [VIEWS[:1]])
    assert first_is_under_way.wait(10)
    threads += run_all(group.add, [[view] for view in VIEWS[1:]])
    while group._queue.qsize() < len(VIEWS) - 1:
        time.sleep(0.001)
    all_have_arrived.set()
    for thread in threads:
        thread.join()
    assert groups[0] == VIEWS[:1]
    assert sorted(groups[1], key=lambda view: view.instant) == VIEWS[1:]


def test_nobody_is_answered_before_the_commit_is_done(store):
    """What `add` has returned for is in the store."""
    group = GroupCommit(store.add)

    def add(view):
        group.add([view])
        assert view in [found for views in store.page_views("u") for found in views]

    for thread in run_all(add, VIEWS):
        thread.join()
    assert sum(map(len, store.page_views("u"))) == len(VIEWS)


def test_an_error_is_raised_to_each_who_waits_and_the_next_is_tried_anew():
    """A store that was busy is not given up."""
    outcomes = iter([StoreBusy("busy"), None])

    def commit(_views):
        if error := next(outcomes):
            raise error

    group = GroupCommit(commit)
    with pytest.raises(StoreBusy):
        group.add(VIEWS)
    group.add(VIEWS)

"""Group commit: one transaction for all that waits."""

import asyncio
import threading

import pytest

from behavstats.errors import StoreBusy, StoreUnavailable
from behavstats.events import PageView
from behavstats.groupcommit import GroupCommit

VIEWS = [PageView("u", number, "/") for number in range(20)]


def test_page_views_that_arrive_during_a_commit_share_the_next():
    """The first is committed alone, all others together."""
    groups = []
    all_have_arrived = threading.Event()

    def commit(views):
        groups.append(list(views))
        assert all_have_arrived.wait(10)

    async def send():
        group = GroupCommit(commit)
        durable = [group.add([view]) for view in VIEWS]
        all_have_arrived.set()
        await asyncio.gather(*durable)

    asyncio.run(send())
    assert groups == [VIEWS[:1], VIEWS[1:]]


def test_nobody_is_answered_before_the_commit_is_done(store):
    """What was waited for is in the store."""

    async def send_one(group, view):
        await group.add([view])
        assert view in [found for views in store.page_views("u") for found in views]

    async def send():
        group = GroupCommit(store.add)
        await asyncio.gather(*(send_one(group, view) for view in VIEWS))

    asyncio.run(send())
    assert sum(map(len, store.page_views("u"))) == len(VIEWS)


@pytest.mark.parametrize(
    "errors", [[StoreBusy("busy")], [StoreUnavailable("full"), StoreUnavailable("full")]]
)
def test_an_error_is_raised_to_each_who_waits_and_the_next_is_tried_anew(errors):
    """Of a busy store, to those who came meanwhile as well: they have waited long enough."""
    outcomes = iter([*errors, None])

    def commit(_views):
        if error := next(outcomes):
            raise error

    async def send():
        group = GroupCommit(commit)
        first, *others = [group.add([view]) for view in VIEWS]
        for durable in (first, *others):
            with pytest.raises(type(errors[0])):
                await durable
        await group.add(VIEWS)

    asyncio.run(send())


def test_who_has_gone_keeps_nobody_else_from_being_answered():
    """A client that hangs up takes its future along, not its page view."""
    committed = []

    async def send():
        group = GroupCommit(committed.extend)
        gone, stays = group.add(VIEWS[:1]), group.add(VIEWS[1:])
        gone.cancel()
        await stays

    asyncio.run(send())
    assert committed == VIEWS


def test_a_thread_that_cannot_be_started_is_an_error_for_one_and_not_for_ever(monkeypatch):
    """Where no more are allowed for a moment."""

    async def send():
        group = GroupCommit(lambda _views: None)
        loop = asyncio.get_running_loop()
        with monkeypatch.context() as patched:
            patched.setattr(type(loop), "run_in_executor", refuse)
            with pytest.raises(RuntimeError):
                group.add(VIEWS[:1])
        await asyncio.wait_for(group.add(VIEWS[1:]), 10)

    def refuse(*_):
        raise RuntimeError("can't start new thread")

    asyncio.run(send())

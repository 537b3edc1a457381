"""Group commit: one transaction for all that waits."""

import asyncio
import threading
from collections import Counter

import pytest

from behavstats.errors import Overloaded, StoreBusy, StoreUnavailable
from behavstats.model.page_view import PageView, Rejection
from behavstats.server.group_commit import GroupCommit
from behavstats.server.payload import Payload

VIEWS = [PageView("u", number, "/") for number in range(20)]


def payload(views, size=100, rejections=()):
    return Payload(views, [*rejections], Counter(), size=size)


def rejected(count, size):
    return [Rejection("s", n, 0, size, "r", "m", b"x" * size) for n in range(count)]


def test_payloads_that_arrive_during_a_commit_share_the_next_one():
    """The first payload is committed alone, and all others together."""
    groups = []
    all_have_arrived = threading.Event()

    def commit(views, _rejections):
        groups.append(list(views))
        assert all_have_arrived.wait(60)

    async def send():
        group = GroupCommit(commit)
        durable = [group.add(payload([view])) for view in VIEWS]
        all_have_arrived.set()
        await asyncio.gather(*durable)

    asyncio.run(send())
    assert groups == [VIEWS[:1], VIEWS[1:]]


def test_a_payload_is_durable_when_its_future_is_done(store):
    """Its page views are in the store."""

    async def send_one(group, view):
        await group.add(payload([view]))
        assert view in [found for views in store.page_views("u") for found in views]

    async def send():
        group = GroupCommit(store.add)
        await asyncio.gather(*(send_one(group, view) for view in VIEWS))

    asyncio.run(send())
    assert sum(map(len, store.page_views("u"))) == len(VIEWS)


@pytest.mark.parametrize(
    "errors", [[StoreBusy("busy")], [StoreUnavailable("full"), StoreUnavailable("full")]]
)
def test_an_error_fails_all_payloads_of_a_commit_and_the_next_one_is_tried_again(errors):
    """If the store is busy, payloads that arrived meanwhile fail as well: they waited enough."""
    outcomes = iter([*errors, None])

    def commit(_views, _rejections):
        if error := next(outcomes):
            raise error
        return 0

    async def send():
        group = GroupCommit(commit)
        first, *others = [group.add(payload([view])) for view in VIEWS]
        for durable in (first, *others):
            with pytest.raises(type(errors[0])):
                await durable
        await group.add(payload(VIEWS))

    asyncio.run(send())


def test_a_client_that_has_gone_does_not_disturb_the_others_of_its_commit():
    """Its future is cancelled, but its page view is stored."""
    committed = []

    async def send():
        group = GroupCommit(lambda views, _rejections: committed.extend(views) or 0)
        gone, stays = group.add(payload(VIEWS[:1])), group.add(payload(VIEWS[1:]))
        gone.cancel()
        await stays

    asyncio.run(send())
    assert committed == VIEWS


def test_a_thread_that_cannot_be_started_is_an_error_once(monkeypatch):
    """The system may allow no more threads for a moment."""

    async def send():
        group = GroupCommit(lambda _views, _rejections: 0)
        loop = asyncio.get_running_loop()
        with monkeypatch.context() as patched:
            patched.setattr(type(loop), "run_in_executor", refuse)
            with pytest.raises(RuntimeError):
                group.add(payload(VIEWS[:1]))
        await asyncio.wait_for(group.add(payload(VIEWS[1:])), 60)

    def refuse(*_):
        raise RuntimeError("can't start new thread")

    asyncio.run(send())


def test_a_payload_is_refused_while_too_much_is_waiting():
    """It fails at once, until the waiting payloads are stored."""
    may_go_on = threading.Event()

    def commit(_views, _rejections):
        assert may_go_on.wait(60)
        return 0

    async def send():
        group = GroupCommit(commit)
        waiting = [group.add(payload(VIEWS, size=20 * 1024 * 1024)) for _ in range(2)]
        with pytest.raises(Overloaded):
            group.add(payload(VIEWS))
        with pytest.raises(Overloaded):
            group.check_room()
        may_go_on.set()
        await asyncio.gather(*waiting)
        await group.add(payload(VIEWS))
        assert group.waiting_bytes == 0

    asyncio.run(send())


def test_the_observer_is_told_of_each_commit():
    """It gets the page views, how many were new, and the seconds."""
    told = []

    async def send():
        group = GroupCommit(lambda _views, _rejections: 3, lambda *what: told.append(what))
        await group.add(payload(VIEWS))

    asyncio.run(send())
    ((views, added, seconds),) = told
    assert (views, added) == (VIEWS, 3)
    assert seconds >= 0


def test_many_rejected_lines_are_committed_in_parts_with_other_payloads_in_between():
    """Page views come first; the answer waits for the last part."""
    commits = []
    all_have_arrived = threading.Event()

    def commit(views, rejections):
        commits.append((len(views), len(rejections)))
        assert all_have_arrived.wait(60)
        return len(views)

    async def send():
        group = GroupCommit(commit)
        long = group.add(payload(VIEWS, rejections=rejected(5, 250_000)))
        other = group.add(payload(VIEWS[:1], rejections=rejected(1, 10)))
        all_have_arrived.set()
        await other
        assert not long.done()
        await long
        assert group.waiting_bytes == 0

    asyncio.run(send())
    assert commits == [(20, 2), (1, 3), (0, 1)]


def test_the_parts_of_a_payload_that_failed_are_dropped():
    """They are not tried, and their memory is free again."""
    commits = []

    def commit(_views, rejections):
        commits.append(len(rejections))
        if len(commits) == 1:
            raise StoreUnavailable("full")
        return 0

    async def send():
        group = GroupCommit(commit)
        with pytest.raises(StoreUnavailable):
            await group.add(payload(VIEWS, rejections=rejected(9, 250_000)))
        await group.add(payload(VIEWS, rejections=rejected(3, 250_000)))
        assert group.waiting_bytes == 0

    asyncio.run(send())
    assert commits == [2, 2, 1]


def test_a_transaction_takes_the_rejected_lines_of_few_payloads():
    """Each payload may bring almost as much as makes a transaction long."""
    commits = []
    all_have_arrived = threading.Event()

    def commit(_views, rejections):
        commits.append(len(rejections))
        assert all_have_arrived.wait(60)
        return 0

    async def send():
        group = GroupCommit(commit)
        durable = [group.add(payload([], rejections=rejected(1, 300_000))) for _ in range(4)]
        all_have_arrived.set()
        await asyncio.gather(*durable)

    asyncio.run(send())
    assert commits == [1, 1, 1, 1]

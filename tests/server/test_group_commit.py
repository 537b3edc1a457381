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


def test_page_views_that_arrive_during_a_commit_share_the_next():
    """The first is committed alone, all others together."""
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


def test_nobody_is_answered_before_the_commit_is_done(store):
    """What was waited for is in the store."""

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
def test_an_error_is_raised_to_each_who_waits_and_the_next_is_tried_anew(errors):
    """Of a busy store, to those who came meanwhile as well: they have waited long enough."""
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


def test_who_has_gone_keeps_nobody_else_from_being_answered():
    """A client that hangs up takes its future along, not its page view."""
    committed = []

    async def send():
        group = GroupCommit(lambda views, _rejections: committed.extend(views) or 0)
        gone, stays = group.add(payload(VIEWS[:1])), group.add(payload(VIEWS[1:]))
        gone.cancel()
        await stays

    asyncio.run(send())
    assert committed == VIEWS


def test_a_thread_that_cannot_be_started_is_an_error_for_one_and_not_for_ever(monkeypatch):
    """Where no more are allowed for a moment."""

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


def test_where_too_much_waits_no_more_is_taken():
    """It is an error at once, until what waits is stored."""
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


def test_who_watches_is_told_of_each_commit():
    """The page views, how many were new, and how long it took."""
    told = []

    async def send():
        group = GroupCommit(lambda _views, _rejections: 3, lambda *what: told.append(what))
        await group.add(payload(VIEWS))

    asyncio.run(send())
    ((views, added, seconds),) = told
    assert (views, added) == (VIEWS, 3)
    assert seconds >= 0


def test_many_rejected_lines_are_committed_in_parts_between_which_others_have_their_turn():
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


def test_what_fails_is_not_tried_further():
    """Its other parts are dropped, and the memory is free again."""
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


def test_a_transaction_takes_rejected_lines_of_few_requests_at_once():
    """Each may bring almost as much as makes a transaction long."""
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

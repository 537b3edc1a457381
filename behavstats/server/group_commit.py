"""Group commit: what arrives together shares one transaction, and so one fsync."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import NamedTuple, Protocol

from behavstats.errors import Overloaded, StoreBusy, StoreError, detached
from behavstats.model.page_view import PageView, Rejection
from behavstats.server.payload import Payload
from behavstats.store import pieces

# A transaction takes no more requests, or page views, than these.
_MOST_SHARING = 1_000
_MOST_PAGE_VIEWS = 5_000
_MOST_REJECTED = 512 * 1024  # bytes of texts
_MOST_WAITING = 32 * 1024 * 1024  # bytes of memory, roughly
_LEAST = 200  # bytes that a request takes, whatever it brings


class _Waiting(NamedTuple):
    """What a request brings, or a part of that; `size` is what it has taken of the memory.

    `durable` is done with the last part, which alone has a size.
    """

    views: Sequence[PageView]
    rejections: Sequence[Rejection]
    durable: "asyncio.Future[None]"
    size: int


class Commit(Protocol):
    """Makes page views and rejected lines durable, all or none; returns how many views are new."""

    def __call__(self, views: Sequence[PageView], rejections: Sequence[Rejection]) -> int:
        """Commit."""


OnCommit = Callable[[Sequence[PageView], int, float], object]
"""Told of each commit: its page views, how many of them were new, and seconds."""


class GroupCommit:
    """Collects what arrives while a transaction runs, and commits it together in the next.

    What brings so many rejected lines that a transaction would be long is committed in parts, its
    page views first; between the parts, others have their turn.

    To be used in the thread of an event loop; one thread of its own commits. It ends with the
    process: what was acknowledged is committed by then.
    """

    def __init__(
        self, commit: Commit, on_commit: OnCommit = lambda _views, _added, _seconds: None
    ) -> None:
        """`commit` is called by one thread, again and again."""
        self._commit = commit
        self._on_commit = on_commit
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="group-commit")
        self._waiting: deque[_Waiting] = deque()
        self._long: deque[_Waiting] = deque()  # parts, of which a transaction takes one
        self._is_committing = False
        self.waiting_bytes = 0

    def add(self, payload: Payload) -> "asyncio.Future[None]":
        """Return what is done once all of it is durable, or failed as `commit` has.

        Raises Overloaded if too much is waiting already.
        """
        self.check_room()
        loop = asyncio.get_running_loop()
        durable = loop.create_future()
        size = payload.size + _LEAST
        self.waiting_bytes += size
        parts = pieces(payload.rejections)
        if len(parts) < 2:
            self._waiting.append(_Waiting(payload.views, payload.rejections, durable, size))
        else:
            first, *between, last = parts
            self._long.append(_Waiting(payload.views, first, durable, 0))
            self._long.extend(_Waiting((), piece, durable, 0) for piece in between)
            self._long.append(_Waiting((), last, durable, size))
        if not self._is_committing:
            self._begin(loop)
        return durable

    def check_room(self) -> None:
        """Raise Overloaded if no more may wait."""
        if self.waiting_bytes > _MOST_WAITING:
            raise Overloaded("too much is waiting to be stored")

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        group = self._next_group()
        long = [*islice(self._long, 1)]
        views = [view for waiting in group + long for view in waiting.views]
        rejections = [bad for waiting in group + long for bad in waiting.rejections]
        committed = loop.run_in_executor(self._thread, self._timed, views, rejections)
        committed.add_done_callback(partial(self._finish, loop, group + long))
        # Now that it has begun: if it cannot, the next who comes tries again.
        self._is_committing = True
        for _ in group:
            self._waiting.popleft()
        for _ in long:
            self._long.popleft()

    def _next_group(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        views = rejected = 0
        for waiting in islice(self._waiting, _MOST_SHARING):
            if waiting.rejections:
                rejected += sum(len(bad.text) for bad in waiting.rejections)
                if group and rejected > _MOST_REJECTED:
                    break
            group.append(waiting)
            views += len(waiting.views)
            if views >= _MOST_PAGE_VIEWS:
                break
        return group

    def _timed(self, views: Sequence[PageView], rejections: Sequence[Rejection]) -> None:
        begin = time.perf_counter()
        added = self._commit(views, rejections)
        self._on_commit(views, added, time.perf_counter() - begin)

    def _finish(
        self,
        loop: asyncio.AbstractEventLoop,
        group: list[_Waiting],
        committed: "asyncio.Future[None]",
    ) -> None:
        self._is_committing = False
        error = committed.exception()
        if isinstance(error, StoreError):  # of any other, the log is to say where it comes from
            detached(error)
        if error is not None:
            group += self._given_up(group, error)
        for waiting in group:
            self.waiting_bytes -= waiting.size
            if waiting.durable.done():  # it has failed; or whoever sent it has gone
                continue
            if error is not None:
                waiting.durable.set_exception(error)
            elif waiting.size:
                waiting.durable.set_result(None)
        if self._waiting or self._long:
            self._begin(loop)

    def _given_up(self, group: list[_Waiting], error: BaseException) -> list[_Waiting]:
        """Take out what need not be tried: the further parts of what has failed.

        Of a store that is busy, all: those who came meanwhile would wait as long once more.
        """
        failed = {id(waiting.durable) for waiting in group}
        all_fail = isinstance(error, StoreBusy)
        given_up: list[_Waiting] = []
        stay = deque[_Waiting]()
        for part in self._long:
            (given_up if all_fail or id(part.durable) in failed else stay).append(part)
        self._long = stay
        if all_fail:
            given_up += self._waiting
            self._waiting.clear()
        return given_up

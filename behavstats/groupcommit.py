"""Group commit: what arrives together shares one transaction, and so one fsync."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Protocol

from behavstats.errors import Overloaded, StoreBusy, StoreError, detached
from behavstats.events import PageView, Rejection
from behavstats.intake import Intake

# A transaction takes no more requests, or page views, than these.
_MOST_SHARING = 1_000
_MOST_PAGE_VIEWS = 5_000
_MOST_WAITING = 32 * 1024 * 1024  # bytes of memory, roughly
_LEAST = 200  # bytes that a request takes, whatever it brings

_Waiting = tuple[Intake, "asyncio.Future[None]"]


class Commit(Protocol):
    """Makes page views and rejected lines durable, all or none; returns how many views are new."""

    def __call__(self, views: Sequence[PageView], rejections: Sequence[Rejection]) -> int:
        """Commit."""


OnCommit = Callable[[Sequence[PageView], int, float], object]
"""Told of each commit: its page views, how many of them were new, and seconds."""


class GroupCommit:
    """Collects what arrives while a transaction runs, and commits it together in the next.

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
        self._is_committing = False
        self.waiting_bytes = 0

    def add(self, intake: Intake) -> "asyncio.Future[None]":
        """Return what is done once all of it is durable, or failed as `commit` has.

        Raises Overloaded if too much is waiting already.
        """
        self.check_room()
        loop = asyncio.get_running_loop()
        durable = loop.create_future()
        self.waiting_bytes += intake.size + _LEAST
        self._waiting.append((intake, durable))
        if not self._is_committing:
            self._begin(loop)
        return durable

    def check_room(self) -> None:
        """Raise Overloaded if no more may wait."""
        if self.waiting_bytes > _MOST_WAITING:
            raise Overloaded("too much is waiting to be stored")

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        group = self._next_group()
        views = [view for intake, _ in group for view in intake.views]
        rejections = [bad for intake, _ in group for bad in intake.rejections]
        committed = loop.run_in_executor(self._thread, self._timed, views, rejections)
        committed.add_done_callback(partial(self._finish, loop, group))
        # Now that it has begun: if it cannot, the next who comes tries again.
        self._is_committing = True
        for _ in group:
            self._waiting.popleft()

    def _next_group(self) -> list[_Waiting]:
        group, views = [], 0
        for waiting in islice(self._waiting, _MOST_SHARING):
            group.append(waiting)
            views += len(waiting[0].views)
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
        if isinstance(error, StoreBusy):  # those who came meanwhile would wait as long once more
            group += self._waiting
            self._waiting.clear()
        for intake, durable in group:
            self.waiting_bytes -= intake.size + _LEAST
            if durable.cancelled():  # whoever sent it has gone
                continue
            if error is None:
                durable.set_result(None)
            else:
                durable.set_exception(error)
        if self._waiting:
            self._begin(loop)

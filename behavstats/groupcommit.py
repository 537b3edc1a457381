"""Group commit: page views that arrive together share one transaction, and so one fsync."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from behavstats.events import PageView

_MOST = 1_000  # who shares a transaction
_A_WHILE = 1.0  # seconds

_Waiting = tuple[Sequence[PageView], "asyncio.Future[None]"]


class GroupCommit:
    """Collects page views while a transaction runs, and commits them together in the next.

    To be used in the thread of an event loop; one thread of its own commits. It ends with the
    process: what was acknowledged is committed by then.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[PageView]], object],
        afterwards: Callable[[], bool] = lambda: False,
    ) -> None:
        """`commit` makes page views durable, all or none; one thread calls it, again and again.

        The same one calls `afterwards` a second after a commit, and a second later again as long as
        it returns True: for what would keep those waiting who wait for a commit.
        """
        self._commit = commit
        self._afterwards = afterwards
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="group-commit")
        self._waiting: list[_Waiting] = []
        self._is_committing = False
        self._afterwards_is_due = False

    def add(self, views: Sequence[PageView]) -> "asyncio.Future[None]":
        """Return what is done once the page views are durable, or failed as `commit` has."""
        loop = asyncio.get_running_loop()
        durable = loop.create_future()
        self._waiting.append((views, durable))
        if not self._is_committing:
            self._begin(loop)
        return durable

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        group, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
        self._is_committing = True
        views = [view for views, _ in group for view in views]
        committed = loop.run_in_executor(self._thread, self._commit, views)
        committed.add_done_callback(partial(self._finish, loop, group))

    def _finish(
        self,
        loop: asyncio.AbstractEventLoop,
        group: list[_Waiting],
        committed: "asyncio.Future[object]",
    ) -> None:
        self._is_committing = False
        error = committed.exception()
        for _, durable in group:
            if durable.cancelled():  # whoever sent it has gone
                continue
            if error is None:
                durable.set_result(None)
            else:
                durable.set_exception(error)
        self._have_afterwards(loop)
        if self._waiting:
            self._begin(loop)

    def _have_afterwards(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let `afterwards` be called in a while, and again as long as it says so."""
        if not self._afterwards_is_due:
            self._afterwards_is_due = True
            loop.call_later(_A_WHILE, self._begin_afterwards, loop)

    def _begin_afterwards(self, loop: asyncio.AbstractEventLoop) -> None:
        self._afterwards_is_due = False
        finished = loop.run_in_executor(self._thread, self._afterwards)
        finished.add_done_callback(
            lambda finished: self._have_afterwards(loop) if finished.result() else None
        )

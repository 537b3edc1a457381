"""Group commit: page views that arrive together share one transaction, and so one fsync."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from behavstats.errors import StoreBusy
from behavstats.events import PageView

_MOST = 1_000  # who shares a transaction

_Waiting = tuple[Sequence[PageView], "asyncio.Future[None]"]


class GroupCommit:
    """Collects page views while a transaction runs, and commits them together in the next.

    To be used in the thread of an event loop; one thread of its own commits. It ends with the
    process: what was acknowledged is committed by then.
    """

    def __init__(self, commit: Callable[[Sequence[PageView]], object]) -> None:
        """`commit` makes page views durable, all or none; one thread calls it, again and again."""
        self._commit = commit
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="group-commit")
        self._waiting: list[_Waiting] = []
        self._is_committing = False

    def add(self, views: Sequence[PageView]) -> "asyncio.Future[None]":
        """Return what is done once the page views are durable, or failed as `commit` has."""
        loop = asyncio.get_running_loop()
        durable = loop.create_future()
        self._waiting.append((views, durable))
        if not self._is_committing:
            self._begin(loop)
        return durable

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        group = self._waiting[:_MOST]
        views = [view for views, _ in group for view in views]
        committed = loop.run_in_executor(self._thread, self._commit, views)
        committed.add_done_callback(partial(self._finish, loop, group))
        # Now that it has begun: if it cannot, the next who comes tries again.
        self._is_committing = True
        del self._waiting[:_MOST]

    def _finish(
        self,
        loop: asyncio.AbstractEventLoop,
        group: list[_Waiting],
        committed: "asyncio.Future[object]",
    ) -> None:
        self._is_committing = False
        error = committed.exception()
        if isinstance(error, StoreBusy):  # those who came meanwhile would wait as long once more
            group, self._waiting = group + self._waiting, []
        for _, durable in group:
            if durable.cancelled():  # whoever sent it has gone
                continue
            if error is None:
                durable.set_result(None)
            else:
                durable.set_exception(error)
        if self._waiting:
            self._begin(loop)

"""Group commit: page views that arrive together share one transaction, and so one fsync."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import NamedTuple

from behavstats.events import PageView

_MOST = 1_000  # who waits in one transaction


class _Waiting(NamedTuple):
    """Page views, and whom to tell when they are durable."""

    views: Sequence[PageView]
    done: Future[None]


class GroupCommit:
    """Collects page views while a transaction runs, and commits them together in the next.

    Its queue holds what callers of `add` wait for, and so never more than there are callers. Its
    thread ends with the process: what was acknowledged is committed by then.
    """

    def __init__(self, commit: Callable[[Sequence[PageView]], object]) -> None:
        """`commit` makes page views durable; one thread calls it, again and again."""
        self._commit = commit
        self._queue: SimpleQueue[_Waiting] = SimpleQueue()
        threading.Thread(target=self._run, name="group-commit", daemon=True).start()

    def add(self, views: Sequence[PageView]) -> None:
        """Return once the page views are durable, all or none; raise what `commit` raises."""
        done: Future[None] = Future()
        self._queue.put(_Waiting(views, done))
        done.result()

    def _run(self) -> None:
        while True:
            group = self._waiting()
            try:
                self._commit([view for waiting in group for view in waiting.views])
            except Exception as error:  # whatever it is, it is for those who wait
                for waiting in group:
                    waiting.done.set_exception(error)
            else:
                for waiting in group:
                    waiting.done.set_result(None)

    def _waiting(self) -> list[_Waiting]:
        """Wait for one, and take whoever else is there by then."""
        group = [self._queue.get()]
        while len(group) < _MOST:
            try:
                group.append(self._queue.get_nowait())
            except Empty:
                break
        return group

"""Group commit: page views that arrive together share one transaction, and so one fsync."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import NamedTuple, Self

from behavstats.events import PageView

_MOST = 1_000  # page views in one transaction


class _Waiting(NamedTuple):
    """A page view that somebody waits for to be committed; None stands for the end of all."""

    view: PageView | None
    done: Future[None]


class GroupCommit:
    """Collects page views while a transaction runs, and commits them together in the next.

    Its queue holds what callers of `add` wait for, and so never more than there are callers.
    """

    def __init__(self, commit: Callable[[Sequence[PageView]], object]) -> None:
        """`commit` makes page views durable; one thread calls it, again and again."""
        self._commit = commit
        self._queue: SimpleQueue[_Waiting] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="group-commit", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._wait_for(None)
        self._thread.join()

    def add(self, view: PageView) -> None:
        """Return once the page view is durable; raise what `commit` raises if it is not."""
        self._wait_for(view)

    def _wait_for(self, view: PageView | None) -> None:
        done: Future[None] = Future()
        self._queue.put(_Waiting(view, done))
        done.result()

    def _run(self) -> None:
        ended = False
        while not ended:
            group = [self._queue.get(), *self._at_hand()]
            ended = any(waiting.view is None for waiting in group)
            views = [waiting.view for waiting in group if waiting.view is not None]
            try:
                self._commit(views)
            except Exception as error:  # whatever it is, it is for those who wait
                for waiting in group:
                    waiting.done.set_exception(error)
            else:
                for waiting in group:
                    waiting.done.set_result(None)

    def _at_hand(self) -> Iterator[_Waiting]:
        try:
            for _ in range(_MOST - 1):
                yield self._queue.get_nowait()
        except Empty:
            return

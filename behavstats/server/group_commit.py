"""Group commit: payloads that arrive together share one transaction, and so one fsync."""

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

# The limits of one transaction.
_MOST_PAYLOADS = 1_000
_MOST_PAGE_VIEWS = 5_000
_MOST_REJECTED = 512 * 1024  # bytes of texts

_MOST_WAITING = 32 * 1024 * 1024  # bytes of memory, roughly, of all payloads that wait
_OVERHEAD = 200  # bytes of memory that any payload takes


class _Waiting(NamedTuple):
    """A payload that waits, or a part of one; `size` is the memory that it takes, in bytes.

    `durable` is done when the last part of a payload is committed. Only that part has a size.
    """

    views: Sequence[PageView]
    rejections: Sequence[Rejection]
    durable: "asyncio.Future[None]"
    size: int


class Commit(Protocol):
    """Commits page views and rejected lines atomically."""

    def __call__(self, views: Sequence[PageView], rejections: Sequence[Rejection]) -> int:
        """Commit one transaction; return how many page views are new. Raises StoreError."""


OnCommit = Callable[[Sequence[PageView], int, float], object]
"""Called after each commit with its page views, the number of new ones, and its seconds."""


class GroupCommit:
    """Collects the payloads that arrive while a transaction runs, and commits them in the next one.

    A payload with so many rejected lines that its transaction would be long is committed in parts,
    with its page views first. Other payloads are committed between the parts.

    Use it in the thread of an event loop; it commits in one thread of its own. It need not be
    closed: a payload that was acknowledged is committed.
    """

    def __init__(
        self, commit: Commit, on_commit: OnCommit = lambda _views, _added, _seconds: None
    ) -> None:
        """Commit with `commit`, which is called in one thread only."""
        self._commit = commit
        self._on_commit = on_commit
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="group-commit")
        self._waiting: deque[_Waiting] = deque()
        self._long: deque[_Waiting] = deque()  # parts, of which a transaction takes one
        self._is_committing = False
        self.waiting_bytes = 0

    def add(self, payload: Payload) -> "asyncio.Future[None]":
        """Return a future that is done once the whole payload is durable.

        The future fails with the error of `commit`. Raises Overloaded if too much is waiting.
        """
        self.check_room()
        loop = asyncio.get_running_loop()
        durable = loop.create_future()
        size = payload.size + _OVERHEAD
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
        """Raise Overloaded if too much is waiting already."""
        if self.waiting_bytes > _MOST_WAITING:
            raise Overloaded("too much is waiting to be stored")

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        group = self._next_group()
        long = [*islice(self._long, 1)]
        views = [view for waiting in group + long for view in waiting.views]
        rejections = [bad for waiting in group + long for bad in waiting.rejections]
        committed = loop.run_in_executor(self._thread, self._timed, views, rejections)
        committed.add_done_callback(partial(self._finish, loop, group + long))
        # Not earlier: if the commit could not begin, the next payload tries again.
        self._is_committing = True
        for _ in group:
            self._waiting.popleft()
        for _ in long:
            self._long.popleft()

    def _next_group(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        views = rejected = 0
        for waiting in islice(self._waiting, _MOST_PAYLOADS):
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
        if isinstance(error, StoreError):  # the traceback of any other error is for the log
            detached(error)
        if error is not None:
            group += self._abandoned(group, error)
        for waiting in group:
            self.waiting_bytes -= waiting.size
            if waiting.durable.done():  # another part has failed, or the client has gone
                continue
            if error is not None:
                waiting.durable.set_exception(error)
            elif waiting.size:
                waiting.durable.set_result(None)
        if self._waiting or self._long:
            self._begin(loop)

    def _abandoned(self, group: list[_Waiting], error: BaseException) -> list[_Waiting]:
        """Remove and return the payloads that are not tried: further parts of a failed payload.

        If the store is busy, no waiting payload is tried: each would wait for the whole lock
        timeout again.
        """
        failed = {id(waiting.durable) for waiting in group}
        all_fail = isinstance(error, StoreBusy)
        abandoned: list[_Waiting] = []
        kept = deque[_Waiting]()
        for part in self._long:
            (abandoned if all_fail or id(part.durable) in failed else kept).append(part)
        self._long = kept
        if all_fail:
            abandoned += self._waiting
            self._waiting.clear()
        return abandoned

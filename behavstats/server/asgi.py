"""The ASGI adapter: runs the application on the server's event loop.

Requests run one at a time in the thread of the loop. More threads would not read faster, since most
of a read holds the interpreter's lock. SQLite releases that lock at each step, and threads that
compete for it lose half of their time. A request that waits for the rest of its body, or for its
commit, does not occupy a thread. Only slow work (erasure, large bodies) uses one, so that other
requests are answered meanwhile.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any, Protocol

from behavstats.logs import Answered
from behavstats.server.app import Application
from behavstats.server.body import GZIP
from behavstats.server.body_reader import BodyReader, Receive, drain
from behavstats.server.payload import Payload
from behavstats.server.request import Pending, Request, Response
from behavstats.server.request_slots import RequestSlots
from behavstats.server.routes import Route

_LARGE = 256 * 1024  # bytes of a body
_LARGE_GZIP = 4 * 1024  # bytes of a compressed body, which may grow a thousandfold
_MOST_LARGE = 2  # large bodies at a time: each may take 16 MiB, and four times as much as text

_Send = Callable[[dict[str, Any]], Awaitable[None]]


class Observer(Protocol):
    """Counts or logs the work of the server."""

    def accepted(self, payload: Payload) -> None:
        """Note that a payload is durable."""

    def answered(self, answered: Answered) -> None:
        """Note that a request was answered."""


class AsgiAdapter:
    """Adapts ASGI to the application.

    A request goes one way: it is routed and admitted, its body is read, its handler is called, its
    payload is committed, and its answer is rendered. If a step fails, the error is rendered instead
    of a response. So each step happens at most once, and rendering exactly once.
    """

    def __init__(
        self,
        app: Application,
        commit: Callable[[Payload], Awaitable[None]],
        observer: Observer,
        slots: RequestSlots,
    ) -> None:
        """Answer requests with `app`.

        `commit` returns an awaitable that is done once the whole payload is durable; it may raise
        Overloaded.
        """
        self._app = app
        self._commit = commit
        self._observer = observer
        self._slots = slots
        self._bodies = BodyReader(slots)
        self._threads = ThreadPoolExecutor(_MOST_LARGE, thread_name_prefix="large-body")
        self._large = asyncio.Semaphore(_MOST_LARGE)
        # A request id is a prefix that no other process has, and a number.
        self._prefix, self._numbers = os.urandom(6).hex(), count()

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: _Send) -> None:
        """Answer one request."""
        begin = time.perf_counter()
        request = Request(scope, f"{self._prefix}-{next(self._numbers):x}")
        route: Route | None = None
        result: Response | Exception
        self._slots.enter()
        try:
            route = self._app.match(request)
            result = await self._respond(route, request, receive)
        except Exception as error:
            result = error
        finally:
            self._bodies.drop(request)
            self._slots.leave()
        status, headers, content = self._app.render(request, route, result)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})
        # Without a route, the method may be any text, which must not become a label of the metrics.
        method, name = (request.method, route.path) if route else ("other", "none")
        seconds = time.perf_counter() - begin
        self._observer.answered(Answered(request.id, method, name, status, seconds))
        if request.more_body:
            await drain(receive)

    async def _respond(self, route: Route, request: Request, receive: Receive) -> Response:
        """Return the response, once the payload is durable. Raises the error of a failed step."""
        self._app.admit(route, request)
        if route.takes and request.more_body:
            await self._bodies.read(request, receive)
        outcome, commit = await self._handle(route, request)
        if commit is not None:
            await commit
        if isinstance(outcome, Response):
            return outcome
        self._observer.accepted(outcome.payload)
        if isinstance(outcome.response, Response):
            return outcome.response
        raise outcome.response

    async def _handle(
        self, route: Route, request: Request
    ) -> tuple[Response | Pending, Awaitable[None] | None]:
        """Return the result of the handler, and the commit of its payload, if it has one."""
        if _is_large(request.body):
            # Until the payload is counted among those that wait for a commit.
            async with self._large:
                return self._begin_commit(
                    request, await self._in_thread(self._threads, route, request)
                )
        if route.is_slow:
            return self._begin_commit(request, await self._in_thread(None, route, request))
        return self._begin_commit(request, self._app.handle(route, request))

    async def _in_thread(
        self, threads: ThreadPoolExecutor | None, route: Route, request: Request
    ) -> Response | Pending:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(threads, self._app.handle, route, request)

    def _begin_commit(
        self, request: Request, outcome: Response | Pending
    ) -> tuple[Response | Pending, Awaitable[None] | None]:
        self._bodies.drop(request)
        if isinstance(outcome, Pending) and outcome.payload.is_to_be_stored:
            return outcome, self._commit(outcome.payload)
        return outcome, None


def _is_large(body: bytes | bytearray) -> bool:
    return len(body) > (_LARGE_GZIP if body.startswith(GZIP) else _LARGE)

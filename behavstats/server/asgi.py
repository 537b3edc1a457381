"""The gateway: runs the Bottle application on the server's event loop (ASGI to WSGI).

Requests are answered one at a time in the thread of the loop. Threads could not read side by side
anyway, since most of a read holds the interpreter's lock; but SQLite gives that up at each step,
and threads that wrangle for it lose half of their time. What has to wait, waits without a thread:
for the rest of a body, and for the commit that makes page views durable. Only what may take long
(erasing, a large body) has a thread, so that others are answered meanwhile.

Nothing here grows without bounds: not the requests under way, nor the bytes of their bodies, nor
the time that a client may take to send one.
"""

import asyncio
import io
import math
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from enum import Enum
from functools import lru_cache
from itertools import count
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

import bottle

from behavstats.errors import InvalidInput, Overloaded, SlowClient
from behavstats.logs import Answered
from behavstats.server.payload import GZIP, MAX_BODY_BYTES, Payload

INTAKE = "behavstats.server.payload"
"""Key in the environment of a request: what has to be durable before the answer is true."""

FAILED = "behavstats.failed"
"""Key in the environment of a request: the error that it meets, whatever it asks."""

REQUEST_ID = "behavstats.request_id"
"""Key in the environment of a request: what tells it from all others, in its answer and the log."""

_MOST_REQUESTS = 1_000  # under way
_MOST_STRANGERS = 500  # of those, while their bodies come in
_MOST_HELD = 64 * 1024 * 1024  # bytes of their bodies
_MOST_HELD_OF_STRANGERS = 32 * 1024 * 1024
_SMALL = 16 * 1024  # bytes of a body that is held also beyond that: slow large ones are in no way
_MOST_DRAINED = 16 * 1024 * 1024  # bytes that are read, and dropped, of what is answered already
_SECONDS_TO_SEND = 60.0
_SECONDS_TO_KEEP_PLACE = 2.0  # while a body comes in; then it makes room where there is none left
_LARGE = 256 * 1024  # bytes of a body
_LARGE_OF_GZIP = 4 * 1024  # that may be a thousand times as many
_MOST_LARGE = 2  # that are looked at side by side: each may take 16 MiB, as text four times as much
_BODY = "behavstats.body"
_STRANGER = "behavstats.stranger"
_INCOMPLETE = "the request was not sent to its end"
_CROWDED = "too many requests are under way"
_CROWDED_BYTES = "too many bytes are under way"
_NO_ROUTE = ("other", "none")

# Nothing that is answered is for a cache, or for a browser to take for something else.
_HEADERS = [
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
]

_Environment = dict[str, Any]
_Receive = Callable[[], Awaitable[Mapping[str, Any]]]
_Send = Callable[[dict[str, Any]], Awaitable[None]]
_Answer = tuple[int, list[tuple[bytes, bytes]], bytes]
_Add = Callable[[Payload], Awaitable[None]]
_IsSlow = Callable[[str, str], bool]
_Waiting = dict[asyncio.Timeout, float]  # since when (monotonic), the longest first


class Standing(Enum):
    """What is known of a request before its body is read.

    A stranger's key, if there is one, is in the body. Of a request that will be refused, whatever
    its body says, no body is waited for.
    """

    WELCOME = 0
    STRANGER = 1
    REFUSED = 2


_StandingOf = Callable[[_Environment], Standing]


class Observer(Protocol):
    """Whoever is told what happens."""

    def took_in(self, payload: Payload) -> None:
        """Take note of what is durable now."""

    def answered(self, answered: "Answered") -> None:
        """Take note of a request that was answered."""


class AsgiAdapter:
    """An ASGI application that asks a Bottle application for its answers."""

    def __init__(
        self,
        app: bottle.Bottle,
        add: _Add,
        is_slow: _IsSlow,
        observer: Observer,
        standing_of: _StandingOf = lambda _: Standing.WELCOME,
    ) -> None:
        """Answer with `app`.

        `add` returns what is done once all of a payload is durable; it may raise Overloaded.
        `is_slow` says of a method and a path whether the answer may take long.
        """
        self._app = app
        self._add = add
        self._is_slow = is_slow
        self._observer = observer
        self._standing_of = standing_of
        self._requests = 0
        # Whose bodies come in. Those that had to make room are in neither any more.
        self._known: _Waiting = {}
        self._strangers: _Waiting = {}
        self._held = 0
        self._held_of_strangers = 0
        self._few = ThreadPoolExecutor(_MOST_LARGE, thread_name_prefix="large-body")
        self._large = asyncio.Semaphore(_MOST_LARGE)
        # Told apart by a number; and from those of other processes, by what comes before it.
        self._process, self._numbers = os.urandom(6).hex(), count()

    async def __call__(self, scope: Mapping[str, Any], receive: _Receive, send: _Send) -> None:
        """Answer one request."""
        begin = time.perf_counter()
        request_id = f"{self._process}-{next(self._numbers):x}"
        environment = _environment(scope)
        environment[REQUEST_ID] = request_id
        self._requests += 1
        try:
            is_read = await self._take_body(environment, receive)
            status, headers, content = await self._answer(scope, environment)
        finally:
            self._requests -= 1
            self._drop_body(environment)
        headers += (*_HEADERS, (b"x-request-id", request_id.encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})
        method, route = environment["REQUEST_METHOD"], environment.get("bottle.route")
        method, name = (method, route.name) if route else _NO_ROUTE  # whatever was asked for there
        seconds = time.perf_counter() - begin
        self._observer.answered(Answered(request_id, method, name, status, seconds))
        if not is_read:
            await _drain(receive)

    def check_room(self) -> None:
        """Raise Overloaded if no more requests that send something are taken now."""
        is_full = self._requests > _MOST_REQUESTS
        if is_full and self._overdue(self._strangers, self._known) is None:
            raise Overloaded(_CROWDED)

    async def _take_body(self, environment: _Environment, receive: _Receive) -> bool:
        """Read the body, if there is one; return False if more of it may come.

        What is wrong with it, the answer will tell.
        """
        if "HTTP_CONTENT_LENGTH" not in environment and "HTTP_TRANSFER_ENCODING" not in environment:
            return True
        standing = self._standing_of(environment)
        if standing is Standing.REFUSED:
            return False
        is_stranger = environment[_STRANGER] = standing is Standing.STRANGER
        if not self._has_place(is_stranger=is_stranger):
            environment[FAILED] = Overloaded(_CROWDED)
            return False
        waiting = self._strangers if is_stranger else self._known
        timeout = asyncio.timeout(_SECONDS_TO_SEND)
        try:
            async with timeout:
                waiting[timeout] = time.monotonic()
                return await self._read(environment, receive)
        except TimeoutError:
            is_late = timeout in waiting
            environment[FAILED] = SlowClient(_SECONDS_TO_SEND) if is_late else Overloaded(_CROWDED)
            self._drop_body(environment)
            return True  # whatever comes is too late
        finally:
            if waiting.pop(timeout, None) is None:  # it made room, and is counted until it ends
                self._requests += 1

    def _has_place(self, *, is_stranger: bool) -> bool:
        """Return whether one more body may come in.

        If there are too many, the one that was waited for longest makes room, unless it is fresh.
        A stranger's newcomer takes only the place of another stranger.
        """
        is_share_full = is_stranger and len(self._strangers) >= _MOST_STRANGERS
        if not is_share_full and self._requests <= _MOST_REQUESTS:
            return True
        queues = (self._strangers,) if is_stranger else (self._strangers, self._known)
        waiting = self._overdue(*queues)
        if waiting is None:
            return False
        timeout = next(iter(waiting))
        del waiting[timeout]
        self._requests -= 1
        if not timeout.expired():
            timeout.reschedule(0)  # long ago: at once
        return True

    def _overdue(self, *queues: _Waiting) -> _Waiting | None:
        """Return of some queues the one whose first has waited longest, if it has to make room."""
        longest = min(queues, key=_first_since)
        latest = time.monotonic() - _SECONDS_TO_KEEP_PLACE
        return longest if _first_since(longest) < latest else None

    async def _read(self, environment: _Environment, receive: _Receive) -> bool:
        """Read a body, until it is seen to be too long; return whether that was all of it."""
        body = environment[_BODY]
        more = True
        while more and len(body) <= MAX_BODY_BYTES:
            message = await receive()
            if message["type"] != "http.request":  # maybe it was closed one way only
                environment[FAILED] = InvalidInput("incomplete_body", _INCOMPLETE)
                return True
            more = message.get("more_body", False)
            part = message.get("body", b"")[: MAX_BODY_BYTES + 1 - len(body)]
            size = len(part)
            if len(body) + size > _SMALL and not self._has_room(environment, size):
                environment[FAILED] = Overloaded(_CROWDED_BYTES)
                self._drop_body(environment)
                break
            body += part
            self._hold(environment, size)
        return not more

    def _has_room(self, environment: _Environment, size: int) -> bool:
        """Return whether so many bytes more may be held of a request."""
        of_strangers = environment[_STRANGER] * (self._held_of_strangers + size)
        return self._held + size <= _MOST_HELD and of_strangers <= _MOST_HELD_OF_STRANGERS

    def _hold(self, environment: _Environment, size: int) -> None:
        self._held += size
        self._held_of_strangers += environment[_STRANGER] * size

    def _drop_body(self, environment: _Environment) -> None:
        body = environment[_BODY]
        if body:
            self._hold(environment, -len(body))
            environment[_BODY] = b""

    async def _answer(self, scope: Mapping[str, Any], environment: _Environment) -> _Answer:
        try:
            if _is_large(environment[_BODY]):
                # Until what came of it counts among what waits to be stored.
                async with self._large:
                    answer, stored = await self._asked_beside(environment, self._few)
            elif self._is_slow(environment["REQUEST_METHOD"], environment["PATH_INFO"]):
                answer, stored = await self._asked_beside(environment, None)
            else:
                answer = self._ask(environment)
                stored = self._store(environment)
            if stored is not None:
                await stored
        except Exception as error:  # the application knows what each means
            again = {FAILED: error, REQUEST_ID: environment[REQUEST_ID]}
            return self._ask(_environment(scope) | again)
        payload = environment.pop(INTAKE, None)
        if payload is not None:
            self._observer.took_in(payload)
        return answer

    async def _asked_beside(
        self, environment: _Environment, threads: ThreadPoolExecutor | None
    ) -> tuple[_Answer, Awaitable[None] | None]:
        """Have a request answered by a thread; return also what is done once that is true."""
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(threads, self._ask, environment)
        return answer, self._store(environment)

    def _store(self, environment: _Environment) -> Awaitable[None] | None:
        """Return what is done once all that a request brought is durable, if there is anything."""
        self._drop_body(environment)
        payload = environment.get(INTAKE)
        return self._add(payload) if payload is not None and payload.is_to_be_stored else None

    def _ask(self, environment: _Environment) -> _Answer:
        body = environment[_BODY]
        environment["wsgi.input"] = io.BytesIO(body)
        environment["CONTENT_LENGTH"] = str(len(body))
        answer: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _: object = None) -> None:
            encoded = [(_name_of(name), value.encode("latin-1")) for name, value in headers]
            answer.extend((int(status[:3]), encoded))

        try:
            content = b"".join(self._app(environment, start_response))
        finally:
            del environment["wsgi.input"]  # which holds the body
        status, headers = answer
        return status, headers, content


def _first_since(waiting: _Waiting) -> float:
    # Of a copy, which is made at once: readiness is asked beside the loop, which changes it.
    return next(iter([*waiting.values()]), math.inf)


async def _drain(receive: _Receive) -> None:
    """Read what is still sent of a request that is answered; up to a limit, then it is closed.

    Many clients read the answer only when they have sent everything.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(_SECONDS_TO_SEND):
            length, more = 0, True
            while more and length < _MOST_DRAINED:
                message = await receive()
                length += len(message.get("body", b""))
                more = message.get("more_body", False)


def _is_large(body: bytes | bytearray) -> bool:
    return len(body) > (_LARGE_OF_GZIP if body.startswith(GZIP) else _LARGE)


def _environment(scope: Mapping[str, Any]) -> _Environment:
    """Return a request as WSGI has it (PEP 3333), for what the application looks at."""
    # Not scope["path"], in which bytes that are not UTF-8 are replaced: another user's id, maybe.
    path = unquote_to_bytes(scope["raw_path"]).decode("latin-1")
    host, port = scope["server"]
    environment: _Environment = {
        "REQUEST_METHOD": scope["method"].upper(),
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": "HTTP/" + scope["http_version"],
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.errors": sys.stderr,
        _BODY: bytearray(),
        _STRANGER: False,
    }
    for name, value in scope["headers"]:
        key = _key_of(name)
        text = value.decode("latin-1")
        environment[key] = f"{environment[key]},{text}" if key in environment else text
    return environment


@lru_cache(maxsize=64)
def _key_of(header: bytes) -> str:
    """Return under which key a header stands in the environment; most names come each time."""
    return "HTTP_" + header.decode("latin-1").upper().replace("-", "_")


@lru_cache(maxsize=64)
def _name_of(header: str) -> bytes:
    """Return the name of a header as it is sent."""
    return header.lower().encode()

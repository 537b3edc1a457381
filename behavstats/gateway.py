"""The gateway: runs the Bottle application on the server's event loop (ASGI to WSGI).

Requests are answered one at a time in the thread of the loop. Threads could not read side by side
anyway, since most of a read holds the interpreter's lock; but SQLite gives that up at each step,
and threads that wrangle for it lose half of their time. What has to wait, waits without a thread:
for the rest of a body, and for the commit that makes a page view durable.
"""

import asyncio
import io
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

import bottle

DURABLE = "behavstats.durable"
"""Key in the environment of a request: a future to wait for before the answer is true."""

FAILED = "behavstats.failed"
"""Key in the environment of a request that is repeated: the error that its future met."""

_MOST_READ = 16 * 1024 * 1024  # bytes of a body; the application refuses far smaller ones

_Environment = dict[str, Any]
_Receive = Callable[[], Awaitable[Mapping[str, Any]]]
_Send = Callable[[dict[str, Any]], Awaitable[None]]
_Answer = tuple[int, list[tuple[bytes, bytes]], bytes]


class Gateway:
    """An ASGI application that asks a Bottle application for its answers."""

    def __init__(self, app: bottle.Bottle, most: int) -> None:
        """Of bodies, `most` bytes and one more are passed on."""
        self._app = app
        self._most = most

    async def __call__(self, scope: Mapping[str, Any], receive: _Receive, send: _Send) -> None:
        """Answer one request."""
        body = await self._body(receive)
        if body is None:
            return
        environment = _environment(scope, body)
        if (
            environment["REQUEST_METHOD"] == "DELETE"
        ):  # it may take seconds, in which others are answered
            answer = await asyncio.to_thread(self._ask, environment)
        else:
            answer = self._ask(environment)
        durable = environment.get(DURABLE)
        if durable is not None:
            try:
                await durable
            except Exception as error:  # the application knows what each means
                answer = self._ask(_environment(scope, body) | {FAILED: error})
        status, headers, content = answer
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _body(self, receive: _Receive) -> bytes | None:
        """Return a body, or of a long one the beginning; None if it was not sent to its end.

        Many clients read the answer only when they have sent everything; up to a limit, let them.
        """
        body, length = bytearray(), 0
        more = True
        while more and length < _MOST_READ:
            message = await receive()
            if message["type"] != "http.request":  # the client has gone
                return None
            chunk = message.get("body", b"")
            length += len(chunk)
            body += chunk[: self._most + 1 - len(body)]
            more = message.get("more_body", False)
        return bytes(body)

    def _ask(self, environment: _Environment) -> _Answer:
        answer: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _: object = None) -> None:
            encoded = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
            answer.extend((int(status[:3]), encoded))

        content = b"".join(self._app(environment, start_response))
        status, headers = answer
        return status, headers, content


def _environment(scope: Mapping[str, Any], body: bytes) -> _Environment:
    """Return a request as WSGI has it (PEP 3333), for what the application looks at."""
    # Not scope["path"], in which bytes that are not UTF-8 are replaced: another user's id, maybe.
    path = unquote_to_bytes(scope["raw_path"]).decode("latin-1")
    host, port = scope["server"]
    environment = {
        "REQUEST_METHOD": scope["method"].upper(),
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": "HTTP/" + scope["http_version"],
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
    }
    for name, value in scope["headers"]:
        if name != b"content-length":
            key = "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
            environment[key] = value.decode("latin-1")
    return environment

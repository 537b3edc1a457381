"""Serve behavstats, or bare Bottle routes, on the same server with the same settings.

    servers.py behavstats|bare DB PORT

Both are started by `behavstats.daemon.supervisor.serve`: for the bare routes, only the application
that its worker process loads is another one. That is a plain Bottle application behind the least
that ASGI asks for, so that the reference does not change with the code that is measured.
"""

import io
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import bottle

from behavstats.config import StoreOptions
from behavstats.daemon import supervisor
from behavstats.daemon.options import ServerOptions


def bare_app(*_: object) -> Callable[..., Awaitable[None]]:
    """Return the least that a Bottle application can do with a GET and with a POST."""
    app = bottle.Bottle()

    @app.get("/hello")
    def hello() -> str:
        return "hello"

    @app.post("/v1/page")
    def read() -> str:
        bottle.request.body.read()
        return "ok"

    async def answer(
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        body, more = b"", scope["method"] == "POST"
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        answered: list[Any] = []
        content = b"".join(app(_environment(scope, body), lambda *sent: answered.extend(sent)))
        headers = [(name.lower().encode(), value.encode()) for name, value in answered[1]]
        status = int(answered[0][:3])
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    return answer


def _environment(scope: dict[str, Any], body: bytes) -> dict[str, Any]:
    """Return a request as WSGI has it (PEP 3333)."""
    host, port = scope["server"]
    environment = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"],
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": "HTTP/" + scope["http_version"],
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.errors": sys.stderr,
        "wsgi.input": io.BytesIO(body),
    }
    for name, value in scope["headers"]:
        key = "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
        environment[key] = value.decode("latin-1")
    return environment


def main(kind: str, db: str, port: str) -> None:
    """Serve until told to stop."""
    if kind == "bare":
        if not hasattr(supervisor, "load"):
            sys.exit("the supervisor has no load any more, which the bare routes stand in for")
        supervisor.load = bare_app
    supervisor.serve(StoreOptions(Path(db), lock_timeout=5.0), ServerOptions(port=int(port)))


if __name__ == "__main__":
    main(*sys.argv[1:])

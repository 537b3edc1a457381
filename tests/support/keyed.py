"""Helpers for tests of keys and of the contract: a server with keys, and valid requests."""

import json
import os
from base64 import b64encode
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from behavstats.clock import system_clock
from behavstats.model.timestamps import format_instant
from behavstats.server.messages import Batch
from behavstats.server.routes import ROUTES, Route
from tests.conftest import ServerProcess

WRITE_KEY = "a-write-key-of-these-tests"
SECRET_KEY = "a-secret-key-of-these-tests"
WRONG_KEY = "a-key-that-nobody-knows-of"
KEYS = {"BEHAVSTATS_WRITE_KEYS": WRITE_KEY, "BEHAVSTATS_SECRET_KEYS": SECRET_KEY}

SEND = "/v1/page"


class Edge(ServerProcess):
    """A server whose log is a file; `keys` are set in its environment."""

    def __init__(self, folder: Path, *options: str, keys: dict[str, str] = KEYS) -> None:
        self.db = folder / "store.db"
        self._log = folder / "server.log"
        environment = {name: value for name, value in os.environ.items() if name not in KEYS}
        with self._log.open("wb") as log:
            super().__init__(self.db, *options, stderr=log, env=environment | keys)

    @property
    def log(self) -> str:
        """All that it has written so far."""
        return self._log.read_text()

    def ask(self, route: Route, user_id: str = "u", **headers: str) -> tuple[int, Any, Any]:
        """Make a valid request for a route; `_` in a header's name stands for a dash."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        path = path_of(route, user_id)
        return self.request(route.method, path, body_of(route, user_id), named)

    def send(self, user_id: str, **headers: str) -> int:
        """Send a page view, and return the status of the response."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.request("POST", SEND, page_view(user_id), named)[0]


@contextmanager
def running(folder: Path, *options: str, keys: dict[str, str] = KEYS):
    """Run a server while the context lasts."""
    server = Edge(folder, *options, keys=keys)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def basic(user: str, password: str = "") -> dict[str, str]:
    """Return the header for Basic authentication."""
    return {"Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}


WAYS = {
    "basic": lambda key: (basic(key), "", {}),
    "basic, with a password": lambda key: (basic(key, "password: x"), "", {}),
    "bearer": lambda key: (bearer(key), "", {}),
    "bearer, in another case": lambda key: ({"authorization": f"bEARER  {key} "}, "", {}),
    "header": lambda key: ({"X-Write-Key": key}, "", {}),
    "query": lambda key: ({}, f"?writeKey={key}", {}),
    "body": lambda key: ({}, "", {"writeKey": key}),
}
"""The ways to send a key: headers, an addition to the path, and one to the body."""


def page_view(user_id: str, **more: Any) -> bytes:
    event = {"user_id": user_id, "name": "/", "timestamp": format_instant(system_clock())}
    return json.dumps(event | more).encode()


def message(kind: str | None, user_id: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "userId": user_id, "name": "/", "event": "Done", **more}


def body_of(route: Route, user_id: str = "u", **more: Any) -> bytes | None:
    """Return a body that a route accepts."""
    if not route.takes:
        return None
    if Batch in route.takes:
        return json.dumps({"batch": [message("page", user_id)], **more}).encode()
    return json.dumps(message(route.kind, user_id, **more)).encode()


def path_of(route: Route, user_id: str = "u", key: str = WRONG_KEY) -> str:
    """Return a path of a route; `key` stands where the path has one."""
    values = {"user_id": quote(user_id, safe=""), "key": key, "file": "swagger-ui.css"}
    return route.path.format(**values)


def named(route: Route) -> str:
    """Return the name of the test of a route."""
    return f"{route.method} {route.path}"


def routes(*needs: int) -> list[Route]:
    """Return the routes that need one of some rights; without any, all."""
    return [route for route in ROUTES if not needs or route.scope in needs]

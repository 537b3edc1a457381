"""Requests to the whole application inside the test's process: no server, no sockets."""

import asyncio
from functools import partial
from types import SimpleNamespace

from behavstats.clock import system_clock
from behavstats.server.admission import Admission
from behavstats.server.app import Application
from behavstats.server.asgi import AsgiAdapter
from behavstats.server.auth import Keys
from behavstats.server.handlers import Handlers
from behavstats.server.metrics import Metrics
from behavstats.server.openapi import encoded
from behavstats.server.origins import Origins
from behavstats.server.request_slots import RequestSlots
from behavstats.server.routes import ROUTES


class Recorder:
    """Keeps what an adapter reports to its observer."""

    def __init__(self):
        self.payloads, self.answers = [], []
        self.accepted, self.answered = self.payloads.append, self.answers.append


async def commit_nothing(_payload):
    """Pretend that a payload is durable at once."""


def application(store, keys=None, clock=system_clock):
    """The application on a store, by default for this machine without keys."""
    keys = keys or Keys()
    origins = Origins(None, keys)
    document = partial(encoded, ROUTES, has_keys=bool(keys))
    metrics = Metrics(store, clock)
    handlers = Handlers(store, keys, origins, metrics, lambda: None, document, clock)
    return Application(handlers, Admission(keys, origins), origins)


def application_of(*routes):
    """An application with routes of its own, whose handlers need no store."""
    keys = Keys()
    origins = Origins(None, keys)
    return Application(None, Admission(keys, origins), origins, routes)


def adapter(app, commit=commit_nothing, observer=None):
    """The ASGI adapter of an application."""
    return AsgiAdapter(app, commit, observer or Recorder(), RequestSlots())


def scope(method="POST", path=b"/", query=b"", headers=()):
    """The scope of a request, as the server hands it over: a POST has a body of any length."""
    announced = [(b"transfer-encoding", b"chunked")] if method == "POST" else []
    return {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path.decode("latin-1"),
        "raw_path": path,
        "query_string": query,
        "headers": [(b"host", b"localhost"), *headers, *announced],
        "server": ("127.0.0.1", "8000"),
    }


async def answer_to(adapted, asked, body=(b"",), *, is_sent_to_its_end=True):
    """Send one request to an adapter; return status, headers and content of the answer."""
    parts, sent = list(body), []

    async def receive():
        if not parts:
            return {"type": "http.disconnect"}
        part = parts.pop(0)
        more = bool(parts) or not is_sent_to_its_end
        return {"type": "http.request", "body": part, "more_body": more}

    async def send(message):
        sent.append(message)

    await adapted(asked, receive, send)
    start, content = sent
    return SimpleNamespace(
        status=start["status"], headers=dict(start["headers"]), content=content["body"]
    )


def ask(app, method="GET", path=b"/", body=(b"",), query=b"", headers=(), **settings):
    """Send one request to an application through an adapter of its own; return the answer."""
    is_sent_to_its_end = settings.pop("is_sent_to_its_end", True)

    async def asking():
        asked = scope(method, path, query, headers)
        adapted = adapter(app, **settings)
        return await answer_to(adapted, asked, body, is_sent_to_its_end=is_sent_to_its_end)

    return asyncio.run(asking())

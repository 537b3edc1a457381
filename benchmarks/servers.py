"""Serve behavstats, or bare Bottle routes, on the same server with the same settings.

    servers.py behavstats|bare DB PORT

Both are started by `behavstats.daemon.supervisor.serve`: for the bare routes, only the application
that its worker process loads is another one.
"""

import sys
from pathlib import Path

import bottle

from behavstats.config import Settings
from behavstats.daemon import supervisor
from behavstats.ingest.shared_counts import SharedCounts
from behavstats.logs import Answered
from behavstats.server.asgi import AsgiAdapter
from behavstats.server.payload import Payload


def bare_app(_settings: Settings, _tally: SharedCounts) -> AsgiAdapter:
    """Return the least that a Bottle application can do with a GET and with a POST."""
    app = bottle.Bottle()

    @app.get("/hello")
    def hello() -> str:
        return "hello"

    @app.post("/v1/page")
    def read() -> str:
        bottle.request.body.read()
        return "ok"

    return AsgiAdapter(app, _nothing_to_store, lambda _method, _path: False, _Nobody())


async def _nothing_to_store(_: Payload) -> None:
    """Store nothing: the bare routes leave nothing to be stored."""


class _Nobody:
    """Takes no note of anything."""

    def took_in(self, intake: Payload) -> None:
        pass

    def answered(self, answered: Answered) -> None:
        pass


def main(kind: str, db: str, port: str) -> None:
    """Serve until told to stop."""
    if kind == "bare":
        if not hasattr(supervisor, "load"):
            sys.exit("the supervisor has no load any more, which the bare routes stand in for")
        supervisor.load = bare_app
    settings = Settings(Path(db), host="127.0.0.1", port=int(port), lock_timeout=5.0)
    supervisor.serve(settings)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Serve behavstats, or bare Bottle routes, on the same server with the same settings.

    servers.py behavstats|bare DB PORT

Both are started by `behavstats.server.serve`: for the bare routes, only the application that its
worker process loads is another one.
"""

import sys
from pathlib import Path

import bottle

from behavstats import server
from behavstats.api import MAX_BODY_BYTES
from behavstats.gateway import Gateway
from behavstats.settings import Settings


def bare_app(_: Settings) -> Gateway:
    """Return the least that a Bottle application can do with a GET and with a POST."""
    app = bottle.Bottle()

    @app.get("/hello")
    def hello() -> str:
        return "hello"

    @app.post("/v1/page")
    def read() -> str:
        bottle.request.body.read()
        return "ok"

    return Gateway(app, MAX_BODY_BYTES)


def main(kind: str, db: str, port: str) -> None:
    """Serve until told to stop."""
    if kind == "bare":
        if not hasattr(server, "_load"):
            sys.exit("behavstats.server has no _load any more, which the bare routes stand in for")
        server._load = bare_app
    settings = Settings(Path(db), host="127.0.0.1", port=int(port), patience=5.0)
    server.serve(settings)


if __name__ == "__main__":
    main(*sys.argv[1:])

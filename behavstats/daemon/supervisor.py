"""The supervisor: starts the server on granian and the watch process, and ends both cleanly."""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server
from granian.server.common import AbstractServer

from behavstats.config import Settings, bounds_of
from behavstats.daemon.sockets import MOST_CONNECTIONS, address_of
from behavstats.daemon.watch_process import watching
from behavstats.daemon.worker import load
from behavstats.errors import BehavstatsError, InvalidInput, StoreBusy
from behavstats.ingest.shared_counts import SharedCounts
from behavstats.server.auth import Keys
from behavstats.server.origins import Origins, is_loopback
from behavstats.store import Store

_HANDLERS = {name: {"()": "behavstats.logs.Log"} for name in ("console", "access")}

_KEYS_NEEDED = (
    "without keys, only this machine may ask: make keys with `behavstats keys new`, and give them "
    "with --write-key and --secret-key, or in BEHAVSTATS_WRITE_KEYS and BEHAVSTATS_SECRET_KEYS"
)
_MS_FOR_HEADERS = 15_000
_SECONDS_TO_FINISH = 10
"""For requests under way when the server is told to stop: a client may never send its last byte."""


def serve(settings: Settings, watched: Sequence[str] = ()) -> None:
    """Serve the store over HTTP until SIGINT or SIGTERM; then finish the requests under way.

    Granian supervises one worker process, which answers requests. A watch process follows the
    `watched` files and folders. Raises StoreError, AddressError or SourceError at once if the store
    cannot be opened, the server cannot listen, or there is nothing to watch; InvalidInput if a key
    or an origin is invalid, or if other machines could reach a server without keys.
    """
    address = address_of(settings.host, settings.port)
    keys = Keys(settings.write_keys, settings.secret_keys)
    Origins(settings.cors_origins, keys)
    if not keys and not is_loopback(address):
        raise InvalidInput("keys_needed", _KEYS_NEEDED)
    # A busy store can be written to: another process is writing to it.
    with (
        Store.create(settings.db, settings.lock_timeout, bounds=bounds_of()) as store,
        suppress(StoreBusy),
    ):
        store.check_writable()
    server = _server(address, settings.port)
    try:
        counts = SharedCounts()
        with watching(settings, watched, counts):
            server.serve(target_loader=partial(load, settings, counts), wrap_loader=False)
    except SystemExit:
        raise BehavstatsError("the server's process ended unexpectedly") from None
    with Store.open(settings.db, settings.lock_timeout) as store:
        store.checkpoint()


def _server(address: str, port: int) -> AbstractServer[Any]:
    return Server(
        "behavstats",
        address=address,
        port=port,
        interface=Interfaces.ASGINL,
        loop=Loops.uvloop,
        websockets=False,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=_MS_FOR_HEADERS),
        backpressure=MOST_CONNECTIONS,
        workers_kill_timeout=_SECONDS_TO_FINISH,
        log_level=LogLevels.error,
        log_dictconfig={"handlers": _HANDLERS},
    )

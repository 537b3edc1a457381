"""The supervisor: starts the server on granian and the watch process, and ends both cleanly."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server
from granian.server.common import AbstractServer

from behavstats.clock import system_clock
from behavstats.config import StoreOptions
from behavstats.daemon.options import ServerOptions
from behavstats.daemon.sockets import MOST_CONNECTIONS, address_of
from behavstats.daemon.watch_process import watching
from behavstats.daemon.worker import load
from behavstats.errors import BehavstatsError, InvalidInput, StoreBusy
from behavstats.ingest.shared_counts import SharedCounts
from behavstats.server.origins import is_loopback
from behavstats.store import create_store, open_store

_HANDLERS = {name: {"()": "behavstats.logs.Log"} for name in ("console", "access")}

_KEYS_NEEDED = (
    "without keys, the server may only listen on a loopback address: make keys with "
    "`behavstats keys new`, and give them with --write-key and --secret-key, or in "
    "BEHAVSTATS_WRITE_KEYS and BEHAVSTATS_SECRET_KEYS"
)
_MS_FOR_HEADERS = 15_000
_SECONDS_TO_FINISH = 10
"""For requests in progress when the server is stopped: a client may never send its last byte."""


def serve(
    store_options: StoreOptions, options: ServerOptions, clock: Callable[[], int] = system_clock
) -> None:
    """Serve the store over HTTP until SIGINT or SIGTERM; then finish the requests in progress.

    Granian supervises one worker process, which answers requests. A watch process follows the
    watched files and folders. `clock` returns ms since the epoch. Raises StoreError, AddressError
    or SourceError at once if the store cannot be opened, the server cannot listen, or there is
    nothing to watch; InvalidInput if other machines could reach a server without keys.
    """
    address = address_of(options.host, options.port)
    if not options.keys and not is_loopback(address):
        raise InvalidInput("keys_needed", _KEYS_NEEDED)
    path, lock_timeout, bounds = store_options
    # A busy store is writable, since another process is writing to it.
    with create_store(path, lock_timeout, bounds=bounds, clock=clock) as store, suppress(StoreBusy):
        store_files = store.files()
        store.check_writable()
    server = _server(address, options.port)
    try:
        counts = SharedCounts()
        load_worker = partial(load, store_options, options, clock, counts)
        with watching(store_options, options, store_files, clock, counts):
            server.serve(target_loader=load_worker, wrap_loader=False)
    except SystemExit:
        raise BehavstatsError("the server's process ended unexpectedly") from None
    with open_store(path, lock_timeout, clock=clock) as store:
        store.maintain()


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

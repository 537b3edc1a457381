"""The server: the application on granian, from the first request to a clean end."""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

from behavstats.config import Settings, bounds_of
from behavstats.daemon.sockets import MOST_CONNECTIONS, address_of
from behavstats.daemon.watch_process import following
from behavstats.daemon.worker import load
from behavstats.errors import BehavstatsError, InvalidInput, StoreBusy
from behavstats.ingest.shared_counts import SharedCounts
from behavstats.server.auth import Keys
from behavstats.server.origins import Origins, is_loopback
from behavstats.store import create_store, open_store

_HANDLERS = {name: {"()": "behavstats.logs.Log"} for name in ("console", "access")}

_KEYS_NEEDED = (
    "without keys, only this machine may ask: make keys with `behavstats keys new`, and give them "
    "with --write-key and --secret-key, or in BEHAVSTATS_WRITE_KEYS and BEHAVSTATS_SECRET_KEYS"
)
_MS_FOR_HEADERS = 15_000
_SECONDS_TO_FINISH = 10
"""For requests under way when the server is told to stop; a client may never send its last byte."""


def serve(settings: Settings, watched: Sequence[str] = ()) -> None:
    """Serve the store over HTTP until SIGINT or SIGTERM; requests under way are finished.

    Granian supervises one process that does the work; what is `watched`, another one follows.
    Raises StoreError, AddressError or SourceError at once if the store cannot be opened, the
    address is not to be had, or there is nothing to watch; InvalidInput if the keys are none, or if
    there are none and others than this machine could ask.
    """
    address = address_of(settings.host, settings.port)
    keys = Keys(settings.write_keys, settings.secret_keys)
    Origins(settings.cors_origins, keys)
    if not keys and not is_loopback(address):
        raise InvalidInput("keys_needed", _KEYS_NEEDED)
    # Busy, somebody else can write to it, at least.
    with (
        create_store(settings.db, settings.lock_timeout, bounds=bounds_of()) as store,
        suppress(StoreBusy),
    ):
        files = store.files()
        store.check_writable()
    server = Server(
        "behavstats",
        address=address,
        port=settings.port,
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
    try:
        tally = SharedCounts()
        with following(settings, watched, files, tally):
            server.serve(target_loader=partial(load, settings, tally), wrap_loader=False)
    except SystemExit:
        raise BehavstatsError("the server's process ended unexpectedly") from None
    with open_store(settings.db, settings.lock_timeout) as store:
        store.maintain()

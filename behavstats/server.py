"""The server: the application on granian, from the first request to a clean end."""

import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from functools import partial

from granian.constants import Interfaces, Loops
from granian.log import LogLevels
from granian.server import Server

from behavstats.api import MAX_BODY_BYTES, make_app
from behavstats.errors import AddressError, BehavstatsError, StoreError
from behavstats.gateway import Gateway
from behavstats.groupcommit import GroupCommit
from behavstats.settings import Settings
from behavstats.store import Store

_HANDLERS = {
    name: {
        "class": "logging.StreamHandler",
        "stream": "ext://sys.stderr",
        "formatter": formatter,
    }
    for name, formatter in (("console", "generic"), ("access", "access"))
}

_log = logging.getLogger(__name__)

_SETTLING = 1.0  # seconds between two rounds
_SECONDS_TO_FINISH = 10
"""For requests under way when the server is told to stop; a client may never send its last byte."""


def serve(settings: Settings) -> None:
    """Serve the store over HTTP until SIGINT or SIGTERM; requests under way are finished.

    Granian supervises one process that does the work. Raises StoreError or AddressError at once if
    the store cannot be opened or the address is not to be had.
    """
    address = _address(settings.host, settings.port)
    with Store.create(settings.db, settings.patience) as store:
        store.check_writable()
    server = Server(
        "behavstats",
        address=address,
        port=settings.port,
        interface=Interfaces.ASGINL,
        loop=Loops.uvloop,
        websockets=False,
        workers_kill_timeout=_SECONDS_TO_FINISH,
        log_level=LogLevels.error,
        log_dictconfig={"handlers": _HANDLERS},
    )
    try:
        server.serve(target_loader=partial(_load, settings), wrap_loader=False)
    except SystemExit:
        raise BehavstatsError("the server's process ended unexpectedly") from None
    with Store.open(settings.db, settings.patience) as store:
        store.checkpoint()


def _load(settings: Settings) -> Gateway:
    """Make the application; called in the process that does the work."""
    # Ctrl-C at a terminal is for the supervisor, which tells this process; told twice, it may hang.
    os.setpgrp()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    threading.Thread(target=_end_with_parent, name="end-with-parent", daemon=True).start()
    store = Store.open(settings.db, settings.patience)
    # Neither is closed: when the process ends, all that was acknowledged is committed, and the
    # process that supervises it truncates the WAL.
    threading.Thread(target=_keep_settled, args=(store,), name="settling", daemon=True).start()
    app = make_app(store, GroupCommit(store.add).add, settings.clock)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    print(f"behavstats serves {settings.db} on http://{host}:{settings.port}", file=sys.stderr)
    return Gateway(app, MAX_BODY_BYTES)


def _keep_settled(store: Store) -> None:
    """Have the summaries made that page views have dropped, each second for a moment."""
    import behavstats.store.summaries  # noqa: F401  NumPy, now, and not while others wait

    while True:
        try:
            store.settle(seconds=0)
        except StoreError as error:
            _log.warning("summaries will be made later: %s", error)
        time.sleep(_SETTLING)


def _end_with_parent() -> None:
    """Stop when the supervising process is gone: killed, it could not tell us to."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _address(host: str, port: int) -> str:
    """Return the address of a host; AddressError if one cannot listen there.

    Granian takes addresses only. It asks for SO_REUSEPORT, with which a second server would
    silently share the port.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AddressError(f"cannot listen on {host}:{port}: {reason}") from None
    return str(address[0])

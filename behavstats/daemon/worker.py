"""The worker: the process that answers requests."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial

from behavstats.config import StoreOptions
from behavstats.daemon.jobs import maintain
from behavstats.daemon.options import ServerOptions
from behavstats.daemon.sockets import allow_connections, time_out_readers
from behavstats.daemon.source_lags import source_lags
from behavstats.ingest.shared_counts import SharedCounts
from behavstats.logs import Answered, Log
from behavstats.server.admission import Admission
from behavstats.server.app import Application
from behavstats.server.asgi import AsgiAdapter
from behavstats.server.auth import Keys
from behavstats.server.group_commit import GroupCommit
from behavstats.server.handlers import Handlers
from behavstats.server.metrics import Metrics
from behavstats.server.openapi import encoded
from behavstats.server.origins import Origins
from behavstats.server.request_slots import RequestSlots
from behavstats.server.routes import ROUTES
from behavstats.shutdown import end_with_parent
from behavstats.store import Store, open_store

_log = logging.getLogger(__name__)

_ONLY_WRITE_KEYS = (
    "there are write keys only: clients may send, but nobody can read a profile, erase a user or "
    "see the metrics; give a secret key with --secret-key, or in BEHAVSTATS_SECRET_KEYS"
)


def load(
    store_options: StoreOptions,
    options: ServerOptions,
    clock: Callable[[], int],
    counts: SharedCounts,
) -> AsgiAdapter:
    """Return the ASGI application; runs in the worker process."""
    _prepare_process()
    log = Log()
    logging.basicConfig(handlers=[log], level=logging.INFO)
    path, lock_timeout, bounds = store_options
    store = open_store(path, lock_timeout, bounds=bounds, clock=clock)
    # The store is not closed: when the process ends, everything acknowledged is committed, and the
    # supervisor truncates the WAL.
    threading.Thread(target=maintain, args=(store, clock), name="maintenance", daemon=True).start()
    keys, origins = options.keys, options.origins
    metrics = Metrics(store, clock, counts.read, partial(source_lags, store))
    adapter = _adapter(store, keys, origins, _Observer(metrics, log), clock)
    address = f"http://{_in_url(options.host)}:{options.port}"
    docs = f"http://{_in_url(_reachable(options.host))}:{options.port}/docs"
    _log.info("behavstats serves %s on %s; its documentation is at %s", path, address, docs)
    if keys and not keys.can_read:
        _log.warning(_ONLY_WRITE_KEYS)
    return adapter


def _prepare_process() -> None:
    """Set up the signals, limits and time-outs of the worker process."""
    # Ctrl-C at a terminal reaches the supervisor, which stops this process. A second signal could
    # make it hang.
    os.setpgrp()
    # Until granian handles signals in this process, the handler that is inherited from the
    # supervisor would swallow them.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    allow_connections()
    threading.Thread(target=end_with_parent, name="end-with-parent", daemon=True).start()
    if sys.platform == "linux":
        threading.Thread(target=time_out_readers, name="time-out", daemon=True).start()


def _adapter(
    store: Store, keys: Keys, origins: Origins, observer: "_Observer", clock: Callable[[], int]
) -> AsgiAdapter:
    """Return the ASGI application for a store."""
    slots = RequestSlots()
    group = GroupCommit(store.add, observer.metrics.committed)

    def check_room() -> None:
        slots.check_room()
        group.check_room()

    document = partial(encoded, ROUTES, has_keys=bool(keys))
    handlers = Handlers(store, keys, origins, observer.metrics, check_room, document, clock)
    app = Application(handlers, Admission(keys, origins), origins)
    return AsgiAdapter(app, group.add, observer, slots)


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _reachable(host: str) -> str:
    """Return the host by which a browser on this machine reaches a server on `host`."""
    return "localhost" if host in {"0.0.0.0", "::"} else host  # noqa: S104  compared, not bound


class _Observer:
    """Counts payloads and requests, and writes each request that was answered to the log."""

    def __init__(self, metrics: Metrics, log: Log) -> None:
        self.metrics = metrics
        self.accepted = metrics.accepted
        self._count, self._write = metrics.answered, log.answered

    def answered(self, answered: Answered) -> None:
        self._count(answered)
        self._write(answered)

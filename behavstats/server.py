"""The server: the application on granian, from the first request to a clean end."""

import logging
import os
import resource
import signal
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

from behavstats.access import Keys, Origins, is_loopback
from behavstats.admission import Admission
from behavstats.answers import Answers
from behavstats.api import make_app
from behavstats.beside import end_with_parent, following
from behavstats.bounds import bounds_of
from behavstats.contract import is_slow
from behavstats.errors import AddressError, BehavstatsError, InvalidInput, StoreBusy, StoreError
from behavstats.gateway import Answered, Gateway
from behavstats.groupcommit import GroupCommit
from behavstats.ingest.shared_counts import Tally
from behavstats.logs import Log
from behavstats.metrics import Metrics
from behavstats.settings import Settings
from behavstats.store import Store

_HANDLERS = {name: {"()": "behavstats.logs.Log"} for name in ("console", "access")}

_log = logging.getLogger(__name__)

_KEYS_NEEDED = (
    "without keys, only this machine may ask: make keys with `behavstats keys new`, and give them "
    "with --write-key and --secret-key, or in BEHAVSTATS_WRITE_KEYS and BEHAVSTATS_SECRET_KEYS"
)
_NOBODY_CAN_READ = (
    "there are write keys only: whoever has one may send, but nobody can read a profile, erase a "
    "user or see the metrics; give a secret key with --secret-key, or in BEHAVSTATS_SECRET_KEYS"
)
_SETTLING = 1.0  # seconds between two rounds
_TRIMMING = 0.1  # seconds of a round
_MS_FOR_HEADERS = 15_000
_MS_TO_READ = 30_000
_MOST_CONNECTIONS = 4_096
_MOST_FILES = _MOST_CONNECTIONS + 256
_SECONDS_TO_FINISH = 10
"""For requests under way when the server is told to stop; a client may never send its last byte."""


def serve(settings: Settings, watched: Sequence[str] = ()) -> None:
    """Serve the store over HTTP until SIGINT or SIGTERM; requests under way are finished.

    Granian supervises one process that does the work; what is `watched`, another one follows.
    Raises StoreError, AddressError or SourceError at once if the store cannot be opened, the
    address is not to be had, or there is nothing to watch; InvalidInput if the keys are none, or if
    there are none and others than this machine could ask.
    """
    address = _address(settings.host, settings.port)
    keys = Keys(settings.write_keys, settings.secret_keys)
    Origins(settings.cors_origins, keys)
    if not keys and not is_loopback(address):
        raise InvalidInput("keys_needed", _KEYS_NEEDED)
    # Busy, somebody else can write to it, at least.
    with (
        Store.create(settings.db, settings.patience, bounds=bounds_of()) as store,
        suppress(StoreBusy),
    ):
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
        backpressure=_MOST_CONNECTIONS,
        workers_kill_timeout=_SECONDS_TO_FINISH,
        log_level=LogLevels.error,
        log_dictconfig={"handlers": _HANDLERS},
    )
    try:
        tally = Tally()
        with following(settings, watched, tally):
            server.serve(target_loader=partial(_load, settings, tally), wrap_loader=False)
    except SystemExit:
        raise BehavstatsError("the server's process ended unexpectedly") from None
    with Store.open(settings.db, settings.patience) as store:
        store.checkpoint()


def _load(settings: Settings, tally: Tally) -> Gateway:
    """Make the application; called in the process that does the work."""
    # Ctrl-C at a terminal is for the supervisor, which tells this process; told twice, it may hang.
    os.setpgrp()
    # Until granian hears signals here: the supervisor's handler, inherited, would hear them for it.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _allow_connections()
    log = Log()
    logging.basicConfig(handlers=[log], level=logging.INFO)
    threading.Thread(target=end_with_parent, name="end-with-parent", daemon=True).start()
    if sys.platform == "linux":
        threading.Thread(target=_time_out_readers, name="time-out", daemon=True).start()
    store = Store.open(settings.db, settings.patience, bounds=bounds_of())
    # Neither is closed: when the process ends, all that was acknowledged is committed, and the
    # process that supervises it truncates the WAL.
    threading.Thread(
        target=_look_after, args=(store, settings.clock), name="looking-after", daemon=True
    ).start()
    metrics = Metrics(store, settings.clock, tally.read)
    group = GroupCommit(store.add, metrics.committed)
    keys = Keys(settings.write_keys, settings.secret_keys)
    origins = Origins(settings.cors_origins, keys)

    def check_room() -> None:
        gateway.check_room()
        group.check_room()

    answers = Answers(store, keys, metrics, check_room, settings.clock)
    admission = Admission(keys, origins)
    app = make_app(answers, admission, origins)
    observer = _Observer(metrics, log)
    gateway = Gateway(app, group.add, is_slow, observer, admission.standing_of)
    address = f"http://{_in_url(settings.host)}:{settings.port}"
    docs = f"http://{_in_url(_reachable(settings.host))}:{settings.port}/docs"
    _log.info("behavstats serves %s on %s; its documentation is at %s", settings.db, address, docs)
    if keys and not keys.can_read:
        _log.warning(_NOBODY_CAN_READ)
    return gateway


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _reachable(host: str) -> str:
    """Return a host by which a browser on this machine reaches what listens on all addresses."""
    return "localhost" if host in {"0.0.0.0", "::"} else host  # noqa: S104  compared, not bound


class _Observer:
    """Counts what happens, and writes each request that was answered to the log."""

    def __init__(self, metrics: Metrics, log: Log) -> None:
        self.took_in = metrics.took_in
        self._count, self._write = metrics.answered, log.answered

    def answered(self, answered: Answered) -> None:
        self._count(answered)
        self._write(answered)


def _time_out_readers() -> None:
    """Have connections end whose clients do not read what they asked for.

    Connections inherit it from the socket that listens, which granian makes soon, and keeps for
    itself: it is looked for among the descriptors of this process. Only sockets are touched, since
    a second descriptor of a file would hold its lock.
    """
    is_set = False
    while not is_set:
        time.sleep(0.01)
        for name in os.listdir("/proc/self/fd"):
            with suppress(OSError):
                if not stat.S_ISSOCK(os.stat(f"/proc/self/fd/{name}").st_mode):
                    continue
                with socket.socket(fileno=os.dup(int(name))) as found:
                    if found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _MS_TO_READ)
                        is_set = True


def _allow_connections() -> None:
    """Let as many connections be open as the server takes, if the system allows that."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most == resource.RLIM_INFINITY or most > _MOST_FILES:
        most = _MOST_FILES
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (most, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    )


def _look_after(store: Store, clock: Callable[[], int]) -> None:
    """Each second, look whether the store's files are there, and make summaries for a moment.

    The rejected lines are kept within their bounds, too, beyond which time alone may lead. What is
    wrong is said once, and again where it is something else.
    """
    import behavstats.store.sqlite.rollups  # noqa: F401  NumPy, now, and not while others wait

    trouble = ""
    while True:
        try:
            store.look_after_files()
            store.settle(seconds=0)
            store.rejected.trim(clock(), seconds=_TRIMMING)
        except StoreBusy as error:
            _log.warning("summaries will be made later: %s", error)
        except StoreError as error:
            if trouble != str(error):
                trouble = str(error)
                _log.error("%s", trouble)
        else:
            if trouble:
                trouble = ""
                _log.info("the store can be used again")
        time.sleep(_SETTLING)


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

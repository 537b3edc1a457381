"""The watch process: ingests watched files while the server runs, and ends with the server.

It is a process of its own, because a thread of the worker process would compete with the event loop
for the interpreter.
"""

import logging
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING

from behavstats.config import StoreOptions
from behavstats.daemon.options import ServerOptions
from behavstats.errors import BehavstatsError
from behavstats.shutdown import Stop, end_with_parent

if TYPE_CHECKING:
    from behavstats.ingest.shared_counts import SharedCounts

_RESTART_DELAY = 2.0  # seconds after which a watch process that has ended is started again

_log = logging.getLogger(__name__)


@contextmanager
def watching(
    store_options: StoreOptions,
    options: ServerOptions,
    store_files: Sequence[Path],
    clock: Callable[[], int],
    counts: "SharedCounts",
) -> Iterator[None]:
    """Inside `with`, ingest the watched files and folders as they grow, and count what is ingested.

    Does nothing if no paths are watched. The store's own files are not followed. `clock` returns ms
    since the epoch. Raises SourceError if no path exists or may appear later.
    """
    if not options.watched:
        yield
        return
    _check(options.watched, store_files)
    process = _WatchProcess(
        (store_options, options.watched, options.rejects_command, clock, counts)
    )
    try:
        yield
    finally:
        process.end()


class _WatchProcess:
    """A process that watches files. It is restarted if it ends by itself."""

    def __init__(self, arguments: tuple[object, ...]) -> None:
        """Start the process; `arguments` are those of `_watch`."""
        self._arguments = arguments
        self._is_stopped = threading.Event()
        self._process = self._start()
        self._restarter = threading.Thread(target=self._restart, name="watch", daemon=True)
        self._restarter.start()

    def _start(self) -> BaseProcess:
        process = multiprocessing.get_context("spawn").Process(
            target=_watch, args=self._arguments, name="watch"
        )
        process.start()
        return process

    def _restart(self) -> None:
        while True:
            self._process.join()
            if self._is_stopped.wait(_RESTART_DELAY):
                return
            _log.error("the watch process has ended; starting it again")
            self._process = self._start()

    def end(self) -> None:
        """Let the process finish its batch, and wait until it has ended."""
        self._is_stopped.set()
        self._process.terminate()
        self._restarter.join()
        self._process.join()


def _check(paths: Sequence[str], store_files: Sequence[Path]) -> None:
    from behavstats.watch.discovery import FileScanner

    FileScanner(paths, store_files, lambda *_: None).check(waits=True)


def _watch(
    options: StoreOptions,
    paths: Sequence[str],
    rejects_command: str,
    clock: Callable[[], int],
    counts: "SharedCounts",
) -> None:
    """Watch files; runs in the watch process."""
    os.setpgrp()  # Ctrl-C at a terminal reaches the server, which stops this process
    stop = Stop()
    stop.on_signals()
    from behavstats.ingest.shared_counts import ReportCounter
    from behavstats.logs import log_to_standard_error
    from behavstats.store import open_store
    from behavstats.watch.watcher import LOCK_TIMEOUT, Watcher

    threading.Thread(target=end_with_parent, name="end-with-parent", daemon=True).start()
    log_to_standard_error()
    try:
        with open_store(options.path, LOCK_TIMEOUT, bounds=options.bounds, clock=clock) as store:
            watcher = Watcher(paths, store, clock, stop)
            watcher.rejects_command = rejects_command
            watcher.on_stored = ReportCounter(counts).update
            watcher.run(once=False)
    except BehavstatsError as error:
        _log.error("%s", error)
        sys.exit(1)

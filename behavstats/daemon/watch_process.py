"""Following files beside the server: in a process of its own, that ends with the server.

A thread of the server's would compete with its event loop for the interpreter.
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
from behavstats.errors import BehavstatsError
from behavstats.shutdown import Stop, end_with_parent

if TYPE_CHECKING:
    from behavstats.ingest.shared_counts import SharedCounts

_AGAIN = 2.0  # seconds after which a follower that has ended is started again

_log = logging.getLogger(__name__)


@contextmanager
def following(
    options: StoreOptions,
    paths: Sequence[str],
    store_files: Sequence[Path],
    clock: Callable[[], int],
    tally: "SharedCounts",
) -> Iterator[None]:
    """Follow files and folders in a process of its own while in `with`, and count what is stored.

    The store's own files are not followed. `clock` returns ms since the epoch. Raises SourceError
    if none of the paths is there, and no folder where one may appear.
    """
    if not paths:
        yield
        return
    _check(paths, store_files)
    follower = _Follower(options, paths, clock, tally)
    try:
        yield
    finally:
        follower.end()


class _Follower:
    """A process that follows files; started again if it ends before it is told to."""

    def __init__(
        self,
        options: StoreOptions,
        paths: Sequence[str],
        clock: Callable[[], int],
        tally: "SharedCounts",
    ) -> None:
        self._arguments = (options, [*paths], clock, tally)
        self._is_ended = threading.Event()
        self._process = self._started()
        self._keeper = threading.Thread(target=self._keep, name="follower", daemon=True)
        self._keeper.start()

    def _started(self) -> BaseProcess:
        process = multiprocessing.get_context("spawn").Process(
            target=_follow, args=self._arguments, name="follower"
        )
        process.start()
        return process

    def _keep(self) -> None:
        while True:
            self._process.join()
            if self._is_ended.wait(_AGAIN):
                return
            _log.error("the process that follows files has ended; starting it again")
            self._process = self._started()

    def end(self) -> None:
        """Have it finish its batch, and end."""
        self._is_ended.set()
        self._process.terminate()
        self._keeper.join()
        self._process.join()


def _check(paths: Sequence[str], store_files: Sequence[Path]) -> None:
    from behavstats.watch.discovery import FileScanner

    FileScanner(paths, store_files, lambda *_: None).check(waits=True)


def _follow(
    options: StoreOptions, paths: Sequence[str], clock: Callable[[], int], tally: "SharedCounts"
) -> None:
    """Follow files; called in the process that does so."""
    os.setpgrp()  # Ctrl-C at a terminal is for the server, which tells this process
    stop = Stop()
    stop.on_signals()
    from behavstats.ingest.shared_counts import ReportCounter
    from behavstats.logs import log_to_standard_error
    from behavstats.store import open_store
    from behavstats.watch.watcher import LOCK_TIMEOUT, Watcher

    threading.Thread(target=end_with_parent, name="end-with-parent", daemon=True).start()
    log_to_standard_error()
    try:
        with open_store(options.path, LOCK_TIMEOUT, bounds=options.bounds) as store:
            watcher = Watcher(paths, store, clock, stop)
            watcher.on_stored = ReportCounter(tally).update
            watcher.run(once=False)
    except BehavstatsError as error:
        _log.error("%s", error)
        sys.exit(1)

"""Watching: files and folders are followed until told to stop, each line taken exactly once."""

import logging
import math
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress

from behavstats.errors import OffsetConflict, StoreBusy, StoreUnavailable
from behavstats.ingest.report import Report
from behavstats.shutdown import Stop
from behavstats.store import Store
from behavstats.watch.discovery import File, Scan
from behavstats.watch.progress_log import Telling, summary
from behavstats.watch.tailed_file import Followed
from behavstats.watch.tailer import Taker

_POLL = 1.0  # seconds between two scans of all: not of every change there is a word
_SHARE_OF_SCANS = 0.1  # of the time
_TRIMMING = 0.05  # seconds for which rejected lines beyond the bounds go, each time
_TICK = 250  # ms of waiting for changes
_GATHERING = (200, 50)  # ms for which changes are gathered, at most, and while none comes
_PAUSE = 0.1  # seconds for another process, that follows the same file
LOCK_TIMEOUT = 2.0
"""Seconds to wait for a store, when it is tried again anyway: a signal is looked for in between."""

_AGAIN = 1.0  # seconds after which a store that was of no use is tried again

_log = logging.getLogger(__name__)
logging.getLogger("watchfiles").setLevel(logging.WARNING)  # it tells of each change


class Watcher:
    """Follows files and folders into a store."""

    def __init__(
        self,
        paths: Sequence[str],
        store: Store,
        clock: Callable[[], int],
        stop: Stop,
        include: Sequence[str] = (),
    ) -> None:
        """`clock` returns ms since the epoch; in folders, `include` says which names count.

        Raises SourceError if none of the paths is there, nor a folder into which it may come.
        """
        self.on_taken: Callable[[Report], None] = lambda _: None
        """Is given the report of all that was taken, whenever more of it was stored."""
        self.on_lines: Callable[[Followed, int], None] = lambda *_: None
        """Is given each file of which lines were read, and how many."""
        self.on_found: Callable[[int], None] = lambda _: None
        """Is given how many files are followed, whenever that was looked for."""
        self._paths = paths
        self._store = store
        self._clock = clock
        self._stop = stop
        self._telling = Telling()
        self._taker = Taker(store, clock, stop.is_set, self._note_lines, self._note_taken)
        self._scan = Scan(paths, store.files(), self._taker.note_problem, include)
        self._scan.check(waits=True)
        self._here: dict[File, str] = {}
        self._trouble = ""

    @property
    def report(self) -> Report:
        """What was taken so far."""
        return self._taker.report

    def run(self, *, once: bool) -> Report:
        """Follow until told to stop, or `once`, as far as there is something now.

        Says in the log when it begins and stops. Raises SourceError if it is to be `once` and none
        of the paths is there, and StoreError where the store will not do.
        """
        if once:
            self._scan.check(waits=False)
        with suppress(StoreBusy, StoreUnavailable):  # what they mean is dealt with below
            self.begin()
        _log.info("follows %s into %s", ", ".join(self._paths), self._store.address)
        try:
            if once:
                self.drain()
            else:
                self.follow()
        finally:
            _log.info("stops: %s", summary(self.report))
        self.report.interrupted = self._stop.is_set()
        return self.report

    def begin(self) -> None:
        """Note from when on the files count that are followed by their names. Raises StoreError."""
        self._taker.ask_for(self._scan.names())

    def drain(self) -> None:
        """Take what is there. Raises StoreError."""
        is_behind = True
        while is_behind and not self._stop.is_set():
            try:
                self._take_all()
                is_behind = self._taker.is_behind
            except OffsetConflict as error:
                _log.warning("%s; looking again", error)
                self._stop.wait(_PAUSE)
        self._taker.finish()
        self._store.refresh_rollups()
        self._store.rejected.trim(self._clock(), seconds=math.inf)

    def follow(self) -> None:
        """Take what is there and what comes, until told to stop.

        A store that is busy, or has no room, is tried again. Raises StoreError if it never will do.
        """
        while not self._stop.is_set():
            try:
                self._store.ensure_available()
                self._take_all()
                self._follow_changes()
            except OffsetConflict as error:
                _log.warning("%s; looking again", error)
                self._stop.wait(_PAUSE)
            except (StoreBusy, StoreUnavailable) as error:
                self._note_trouble(str(error))
                self._stop.wait(_AGAIN)
        with suppress(StoreBusy, StoreUnavailable):
            self._taker.finish()

    def _follow_changes(self) -> None:
        """Take what changes, until a folder comes or goes."""
        folders = self._scan.folders
        due = 0.0  # something may have come before the waiting began
        for changed in self._changes():
            is_due = changed is None or self._taker.is_behind or time.monotonic() >= due
            found = None if is_due else self._scan.some(changed or ())
            if found is None:
                took = self._take_all()
                due = time.monotonic() + max(_POLL, took / _SHARE_OF_SCANS)
            elif found:
                self._taker.take(found, self._scan.files)
            self._store.refresh_rollups(seconds=0)
            self._store.rejected.trim(self._clock(), seconds=_TRIMMING)
            self._note_trouble("")
            self._telling.tell(self.report)
            if self._scan.folders != folders:
                return

    def _take_all(self) -> float:
        """Take what is new anywhere; return how many seconds the scan took."""
        self._taker.is_behind = False
        start = time.monotonic()
        found = self._scan.files()
        took = time.monotonic() - start
        self.on_found(sum(file.beside is None for file in found))
        self._taker.ask_for(self._scan.names())
        here = {file.file: file.path for file in found}
        for file, path in self._here.items():
            if file not in here:
                self._taker.forget(file)
                _log.info("%s: is gone", path)
        self._here = here
        self._taker.take(found, self._scan.files)
        return took

    def _changes(self) -> Generator[set[str] | None, None, None]:
        """Yield the paths that changed, no path now and then, None if any may have changed.

        Ends where a folder is gone.
        """
        from watchfiles import watch

        gathering, quiet = _GATHERING
        try:
            for changes in watch(
                *self._scan.folders,
                watch_filter=None,  # what it leaves out, it would go on waiting for
                debounce=gathering,
                step=quiet,
                stop_event=self._stop,
                rust_timeout=_TICK,
                yield_on_timeout=True,
                raise_interrupt=False,
                recursive=False,
                ignore_permission_denied=True,
            ):
                yield {path for _, path in changes if self._scan.is_wanted(path)}
        except FileNotFoundError:
            self._stop.wait(_TICK / 1000)
        except (OSError, RuntimeError) as error:  # no more watches to be had, most likely
            _log.warning("changes are not told of (%s), but looked for now and then", error)
            while not self._stop.is_set():
                self._stop.wait(_POLL)
                yield None

    def _note_lines(self, file: Followed, lines: int) -> None:
        self._telling.took(file.name, lines)
        self.on_lines(file, lines)

    def _note_taken(self) -> None:
        self._telling.tell(self.report)
        self.on_taken(self.report)

    def _note_trouble(self, trouble: str) -> None:
        """Say once what keeps the store from being used, and once that it is over."""
        if trouble and not self._trouble:
            _log.error("%s; trying again until it goes on", trouble)
        elif self._trouble and not trouble:
            _log.info("the store can be written to again")
        self._trouble = trouble

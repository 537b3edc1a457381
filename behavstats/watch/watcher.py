"""The watcher: follows files and folders until it is stopped; ingests each line exactly once."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from behavstats.errors import OffsetConflict, StoreBusy, StoreUnavailable
from behavstats.ingest.report import Report
from behavstats.shutdown import Stop
from behavstats.store import Store
from behavstats.watch.changes import changes
from behavstats.watch.discovery import FileScanner
from behavstats.watch.file_id import FileId
from behavstats.watch.progress_log import ProgressLog, summary
from behavstats.watch.tailer import Tailer
from behavstats.watch.tracked_file import TrackedFile

LOCK_TIMEOUT = 2.0
"""Seconds to wait for the store's lock. It is short so that a signal is noticed before a retry."""

_POLL = 1.0  # seconds between two scans, because not every change is reported
_SCAN_SHARE = 0.1  # the part of the time that scans may take
_TRIM_SECONDS = 0.05  # for deleting surplus rejected lines, each time
_CONFLICT_PAUSE = 0.1  # seconds that the other process gets for the file
_RETRY_SECONDS = 1.0  # before a store that could not be used is tried again

_log = logging.getLogger(__name__)


class Watcher:
    """Follows files and folders, and ingests their new lines into a store."""

    def __init__(
        self,
        paths: Sequence[str],
        store: Store,
        clock: Callable[[], int],
        stop: Stop,
        include: Sequence[str] = (),
    ) -> None:
        """`clock` returns ms since the epoch.

        In folders, only names that match a pattern in `include` count, if it has any. Raises
        SourceError if no path exists or may appear later.
        """
        self.on_stored: Callable[[Report], None] = lambda _: None
        """Called when more was stored, with the report of everything that was ingested."""
        self.on_lines: Callable[[TrackedFile, int], None] = lambda *_: None
        """Called with a file and the number of lines that were read from it."""
        self.on_found: Callable[[int], None] = lambda _: None
        """Called after each scan with the number of files that are followed."""
        self.rejects_command = "behavstats rejects"
        """The command that lists the rejected lines, for the log."""
        self._paths = paths
        self._store = store
        self._clock = clock
        self._stop = stop
        self._progress_log = ProgressLog()
        self._tailer = Tailer(store, clock, stop.is_set, self._note_lines, self._note_stored)
        self._scanner = FileScanner(paths, store.files(), self._tailer.note_problem, include)
        self._scanner.check(waits=True)
        self._present: dict[FileId, str] = {}
        self._trouble = ""

    @property
    def report(self) -> Report:
        """The report of everything that was ingested so far."""
        return self._tailer.report

    def run(self, *, once: bool) -> Report:
        """Follow files until stopped or, with `once`, ingest the lines that exist now.

        Start and stop are logged. Raises SourceError with `once` if no path exists, and StoreError
        if the store cannot be used.
        """
        if once:
            self._scanner.check(waits=False)
        with suppress(StoreBusy, StoreUnavailable):  # handled when the first scan meets them
            self.begin()
        _log.info("follows %s into %s", ", ".join(self._paths), self._store.address)
        try:
            if once:
                self.drain()
            else:
                self.follow()
        finally:
            _log.info("stops: %s", summary(self.report, self.rejects_command))
        self.report.interrupted = self._stop.is_set()
        return self.report

    def begin(self) -> None:
        """Note the time from which files are followed by their names. Raises StoreError."""
        self._tailer.follow_names(self._scanner.names())

    def drain(self) -> None:
        """Ingest the lines that exist now. Raises StoreError."""
        is_behind = True
        while is_behind and not self._stop.is_set():
            try:
                self._read_all()
                is_behind = self._tailer.is_behind
            except OffsetConflict as error:
                _log.warning("%s; trying again", error)
                self._stop.wait(_CONFLICT_PAUSE)
        self._tailer.finish()
        self._store.refresh_rollups()
        self._store.rejected.trim(self._clock(), seconds=math.inf)

    def follow(self) -> None:
        """Ingest existing and new lines until stopped.

        A store that is busy or has no room is tried again. Raises StoreError if that cannot help.
        """
        while not self._stop.is_set():
            try:
                self._store.ensure_available()
                self._read_all()
                self._follow_changes()
            except OffsetConflict as error:
                _log.warning("%s; trying again", error)
                self._stop.wait(_CONFLICT_PAUSE)
            except (StoreBusy, StoreUnavailable) as error:
                self._note_trouble(str(error))
                self._stop.wait(_RETRY_SECONDS)
        with suppress(StoreBusy, StoreUnavailable):
            self._tailer.finish()

    def _follow_changes(self) -> None:
        """Ingest changes until a folder appears or disappears."""
        folders = self._scanner.folders
        due = 0.0  # at once, since changes before this call are not reported
        for changed in changes(folders, self._scanner.is_wanted, self._stop, _POLL):
            is_due = changed is None or self._tailer.is_behind or time.monotonic() >= due
            found = None if is_due else self._scanner.files_at(changed or ())
            if found is None:
                seconds = self._read_all()
                due = time.monotonic() + max(_POLL, seconds / _SCAN_SHARE)
            elif found:
                self._tailer.read_new(found, self._scanner.files)
            self._store.refresh_rollups(seconds=0)
            self._store.rejected.trim(self._clock(), seconds=_TRIM_SECONDS)
            self._note_trouble("")
            self._progress_log.write(self.report)
            if self._scanner.folders != folders:
                return

    def _read_all(self) -> float:
        """Scan all paths and ingest all new lines; return how many seconds the scan took."""
        self._tailer.is_behind = False
        start = time.monotonic()
        found = self._scanner.files()
        seconds = time.monotonic() - start
        self.on_found(sum(file.sibling is None for file in found))
        self._tailer.follow_names(self._scanner.names())
        present = {file.id: file.path for file in found}
        for file, path in self._present.items():
            if file not in present:
                self._tailer.forget(file)
                _log.info("%s: is gone", path)
        self._present = present
        self._tailer.read_new(found, self._scanner.files)
        return seconds

    def _note_lines(self, file: TrackedFile, lines: int) -> None:
        self._progress_log.add(file.name, lines)
        self.on_lines(file, lines)

    def _note_stored(self) -> None:
        self._progress_log.write(self.report)
        self.on_stored(self.report)

    def _note_trouble(self, trouble: str) -> None:
        """Log once why the store cannot be used, and once that it can be used again."""
        if trouble and not self._trouble:
            _log.error("%s; trying again until it works", trouble)
        elif self._trouble and not trouble:
            _log.info("the store can be written to again")
        self._trouble = trouble

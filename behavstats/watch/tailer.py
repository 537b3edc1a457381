"""The tailer: ingests new lines of followed files in rounds, each over all changed files."""

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing

from behavstats.errors import SourceError, detached
from behavstats.ingest.decode_process import DecodeProcess
from behavstats.ingest.prefetch import Prefetcher
from behavstats.ingest.report import Report
from behavstats.store import Store
from behavstats.text import counted
from behavstats.watch.batch_writer import BatchWriter
from behavstats.watch.discovery import DiscoveredFile
from behavstats.watch.file_id import FileId
from behavstats.watch.file_state import FileStates
from behavstats.watch.locations import FileLocations
from behavstats.watch.named_files import NamedFiles
from behavstats.watch.problems import ProblemLog
from behavstats.watch.reader import RoundReader, Scan
from behavstats.watch.recognition import FileRecognizer
from behavstats.watch.restarted_files import RestartedFiles
from behavstats.watch.round import KnownNames, Round
from behavstats.watch.tracked_file import TrackedFile

_log = logging.getLogger(__name__)


class Tailer:
    """Ingests the new lines of files, and remembers which files it has read to their end.

    `report` counts everything that was ingested. `is_behind` says that another round has to look at
    all files; the caller resets it before that round.
    """

    def __init__(
        self,
        store: Store,
        clock: Callable[[], int],
        is_stopped: Callable[[], bool],
        on_lines: Callable[[TrackedFile, int], None],
        on_stored: Callable[[], None],
    ) -> None:
        """`clock` returns ms since the epoch.

        `on_lines` is called with a file and the number of lines that were read from it; `on_stored`
        is called when lines are stored and counted in the report.
        """
        self.report = Report()
        self.is_behind = False
        self._store = store
        self._clock = clock
        self._on_lines, self._on_stored = on_lines, on_stored
        self._problems = ProblemLog()
        self._states = FileStates(clock)
        self._named = NamedFiles(store, clock)
        locations = FileLocations(self._states.path_of)
        self._restarted = RestartedFiles(store, clock, locations)
        recognizer = FileRecognizer(store, self._states, locations, self._named, self._restarted)
        self._reader = RoundReader(recognizer, self._states, is_stopped, self._note_turn)

    def follow_names(self, paths: Iterable[str]) -> None:
        """Follow files by their names, so that files rotated from now on are read.

        Raises StoreError.
        """
        self._named.add(paths)

    def read_new(self, found: Sequence[DiscoveredFile], scan: Scan) -> None:
        """Ingest the new lines of files, and of files that `scan` finds meanwhile.

        Raises StoreError. Then the lines that were not stored are read again in the next round.
        """
        current = Round(KnownNames(self._store))
        try:
            self._states.update(found)
            self._run(current, found, scan)
        except BaseException:
            self._states.reopen_all()
            raise
        finally:
            self.is_behind |= current.is_behind
        for name, count in current.left_out.items():
            self.report.left_out += count
            _log.warning("%s: %s of erased users left out", name, counted(count, "line"))
        self._restarted.log_restarts(at_once=False)

    def _run(self, current: Round, found: Sequence[DiscoveredFile], scan: Scan) -> None:
        """Read, decode and store the new lines."""
        writer = BatchWriter(current, self._store, self._clock, self.report, self._on_lines)
        with (
            closing(self._reader.blocks(current, found, scan)) as blocks,
            DecodeProcess() as decode_process,
        ):
            decoded = Prefetcher(blocks, self._clock, decode_process)
            for part, position in decoded:
                writer.add(part, position)
                if writer.is_full and writer.store(decoded.pump):
                    self._on_stored()
                    self._store.refresh_rollups()
            if writer.store(decoded.pump):
                self._on_stored()

    def finish(self) -> None:
        """Log which files were read again, without waiting longer for copies of their contents.

        Raises StoreError.
        """
        self._restarted.log_restarts(at_once=True)

    def note_problem(self, path: str, error: SourceError, is_failure: bool = True) -> None:
        """Log a problem with a path, once until it changes; report it if it is a failure."""
        # A file that existed a moment ago may exist under another name.
        self.is_behind |= not is_failure and not os.path.lexists(path)
        if self._problems.note(path, error) and is_failure:
            self.report.failures.append(detached(error))

    def _note_turn(self, found: DiscoveredFile, error: SourceError | None) -> None:
        """Note after the turn of a file whether reading it failed."""
        is_another_log = found.sibling is not None and not found.is_rotated
        if error is None:
            self._problems.clear(found.path)
        elif not is_another_log:
            self.note_problem(found.path, error, is_failure=os.path.lexists(found.path))

    def forget(self, file: FileId) -> None:
        """Drop the state of a file that is gone."""
        self._states.forget(file)

"""Reads new lines from files in turns, so that a large file does not keep others waiting."""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable

from behavstats.errors import SourceError
from behavstats.model.line_block import Block
from behavstats.watch.discovery import DiscoveredFile
from behavstats.watch.file_state import FileStates, UnfinishedLine, rest_after
from behavstats.watch.recognition import FileRecognizer, Recognized
from behavstats.watch.round import Round
from behavstats.watch.tailed_file import TailedFile, open_tailed
from behavstats.watch.tracked_file import Position, TrackedFile

_SHARE_BYTES = 64 * 1024 * 1024  # of a large file, after which the other files have their turn
_RESCAN_SECONDS = 1.0  # of a round, after which another scan looks for new files

Scan = Callable[[], list[DiscoveredFile]]
Blocks = Generator[tuple[Block, Position], None, None]


class RoundReader:
    """Reads blocks of new lines from the files of a round."""

    def __init__(
        self,
        recognizer: FileRecognizer,
        states: FileStates,
        is_stopped: Callable[[], bool],
        on_turn: Callable[[DiscoveredFile, SourceError | None], None],
    ) -> None:
        """`on_turn` is called after the turn of a file, with the error if reading it failed."""
        self._recognizer = recognizer
        self._states = states
        self._is_stopped = is_stopped
        self._on_turn = on_turn

    def blocks(self, current: Round, found: Iterable[DiscoveredFile], scan: Scan) -> Blocks:
        """Yield the new lines of the files found, and of files that `scan` finds meanwhile."""
        queue = deque(found)
        next_scan = time.monotonic() + _RESCAN_SECONDS
        while queue and not self._is_stopped():
            file = queue.popleft()
            try:
                if (yield from self._share(current, file)):
                    queue.append(file)
                self._on_turn(file, None)
            except SourceError as error:
                self._on_turn(file, error)
            start = time.monotonic()
            if queue and start > next_scan:
                queue.extend(self._newly_found(current, queue, scan))
                end = time.monotonic()
                next_scan = end + max(_RESCAN_SECONDS, rest_after(end - start))

    def _newly_found(
        self, current: Round, queue: Iterable[DiscoveredFile], scan: Scan
    ) -> list[DiscoveredFile]:
        """Scan again; return files that are not queued, and are new or changed in this round."""
        queued = {file.id for file in queue}
        found = scan()
        self._states.update(found)
        return [
            file
            for file in found
            if file.id not in queued and current.looked_at.get(file.id) != file
        ]

    def _share(
        self, current: Round, found: DiscoveredFile
    ) -> Generator[tuple[Block, Position], None, bool]:
        """Yield the new lines of a file, or a share of them; return whether there are more."""
        current.looked_at[found.id] = found
        if self._states.is_finished(found):
            return False
        with open_tailed(found.path) as file:
            recognized = self._recognized(current, file, found)
            if recognized is None:
                return False
            tracked, sample = recognized
            tracked.size = file.size
            is_complete = file.is_compressed and self._states.is_settled(found)
            length = 0
            for block, checkpoint in file.lines(tracked.read, sample, is_complete=is_complete):
                tracked.read = checkpoint
                current.by_prefix[checkpoint.prefix] = tracked
                yield block, Position(tracked, checkpoint)
                length += block.length
                if self._is_stopped() or (length >= _SHARE_BYTES and not file.is_compressed):
                    return True
            if is_complete and tracked.modified != file.modified:
                tracked.modified = file.modified
                current.due.add(tracked)
        self._states.finish(found)
        return False

    def _recognized(
        self, current: Round, file: TailedFile, found: DiscoveredFile
    ) -> Recognized | None:
        """Return from where to read a file; None if there is nothing to read."""
        tracked = current.tracked.get(file.id)
        if tracked is not None:
            # If the content was replaced during this round, the file is read in the next one.
            sample = None if file.is_compressed else file.match(tracked.read)
            return sample and Recognized(tracked, sample)
        recognized = self._recognizer.recognize(current, file, found)
        if recognized is None:
            return None
        current.tracked[file.id] = recognized.file
        if self._has_new_line(file, found, recognized.file):
            return recognized
        self._states.finish(found)
        return None

    def _has_new_line(self, file: TailedFile, found: DiscoveredFile, tracked: TrackedFile) -> bool:
        """Return whether there is a new newline; no byte is searched for one twice."""
        if file.is_compressed:
            return tracked.modified != file.modified
        start = tracked.read.offset
        state = self._states.of(file.id, found.path)
        line = state.unfinished_line
        searched = line.end if line is not None and line.is_in(file, start) else start
        if file.has_newline(searched):
            return True
        state.unfinished_line = UnfinishedLine.searched(file, start, file.size)
        return False

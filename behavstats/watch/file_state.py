"""What is remembered of each file from round to round, until the file is gone."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, Self

from behavstats.watch import fingerprint
from behavstats.watch.discovery import DiscoveredFile
from behavstats.watch.file_id import FileId
from behavstats.watch.tailed_file import TailedFile

_SETTLED = 2_000  # ms after a change; the next one gets another modification time
_REST_FACTOR = 10  # work that took long waits for this many times as long before it is repeated


class UnfinishedLine(NamedTuple):
    """A line without a newline so far: it begins at `start`, and was searched up to `end`.

    `suffix` is a fingerprint of the bytes before `end`.
    """

    start: int
    end: int
    suffix: bytes

    @classmethod
    def searched(cls, file: TailedFile, start: int, end: int) -> Self:
        """Return the line as the file has it now."""
        length = min(end - start, fingerprint.SAMPLE_BYTES)
        return cls(start, end, fingerprint.fingerprint(file.read(end - length, length)))

    def is_in(self, file: TailedFile, start: int) -> bool:
        """Return whether the line that begins at an offset of a file still is this one."""
        return self.start == start and self == self.searched(file, start, self.end)


@dataclass(slots=True)
class FileState:
    """What is remembered of one file.

    `path` is where a scan found it last. `finished` is what the scan found when everything had been
    read; a file that still looks like this is not opened again. `retry_at` is when an incomplete
    compressed file may be opened again, in seconds of the monotonic clock.
    """

    path: str
    finished: DiscoveredFile | None = None
    unfinished_line: UnfinishedLine | None = None
    retry_at: float = 0.0


class FileStates:
    """The states of all files that are there."""

    def __init__(self, clock: Callable[[], int]) -> None:
        """`clock` returns ms since the epoch."""
        self._clock = clock
        self._states: dict[FileId, FileState] = {}

    def update(self, found: Iterable[DiscoveredFile]) -> None:
        """Note where a scan found files."""
        for file in found:
            self.of(file.id, file.path).path = file.path

    def of(self, file: FileId, path: str) -> FileState:
        """Return the state of a file, which was found at this path if it is new."""
        return self._states.setdefault(file, FileState(path))

    def path_of(self, file: FileId) -> str | None:
        """Return the path at which a scan found a file last, if it was found."""
        state = self._states.get(file)
        return None if state is None else state.path

    def forget(self, file: FileId) -> None:
        """Drop what is remembered of a file that is gone."""
        self._states.pop(file, None)

    def is_finished(self, found: DiscoveredFile) -> bool:
        """Return whether nothing can be new in a file, or it is too early to look."""
        state = self.of(found.id, found.path)
        return state.finished == found or time.monotonic() < state.retry_at

    def finish(self, found: DiscoveredFile) -> None:
        """Do not open a file again before it changes, if a change is certain to show."""
        if self.is_settled(found):
            self.of(found.id, found.path).finished = found

    def reopen_all(self) -> None:
        """Look at each file again, because what was read of it was not stored."""
        for state in self._states.values():
            state.finished = None

    def postpone(self, found: DiscoveredFile, seconds: float) -> None:
        """Leave alone for a while a file that took so many seconds in vain."""
        self.of(found.id, found.path).retry_at = time.monotonic() + rest_after(seconds)

    def is_settled(self, found: DiscoveredFile) -> bool:
        """Return whether a change from now on would show in the modification time."""
        return abs(self._clock() - found.modified // 1_000_000) > _SETTLED


def rest_after(seconds: float) -> float:
    """Return how many seconds to wait before work is repeated that took so many."""
    return _REST_FACTOR * seconds

"""The state of each file, which is kept from round to round until the file is gone."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, Self

from behavstats.watch import fingerprint
from behavstats.watch.discovery import DiscoveredFile
from behavstats.watch.file_id import FileId
from behavstats.watch.tailed_file import TailedFile

_MTIME_RESOLUTION = 2_000  # ms; changes that are further apart have different modification times
_REST_FACTOR = 10  # work is repeated after a rest of this many times its duration


class UnfinishedLine(NamedTuple):
    """A line without a newline so far, which begins at `start` and was searched up to `end`.

    `suffix` is a fingerprint of the bytes before `end`.
    """

    start: int
    end: int
    suffix: bytes

    @classmethod
    def searched(cls, file: TailedFile, start: int, end: int) -> Self:
        """Return the unfinished line that a file has now."""
        length = min(end - start, fingerprint.SAMPLE_BYTES)
        return cls(start, end, fingerprint.fingerprint(file.read(end - length, length)))

    def is_in(self, file: TailedFile, start: int) -> bool:
        """Return whether a file still has this line at an offset."""
        return self.start == start and self == self.searched(file, start, self.end)


@dataclass(slots=True)
class FileState:
    """The state of one file.

    `path` is where a scan found it last. `finished` is the file as the scan found it when
    everything in it had been read; while a scan finds the same, the file is not opened again.
    `retry_at` is when an incomplete compressed file may be opened again, in seconds of the
    monotonic clock.
    """

    path: str
    finished: DiscoveredFile | None = None
    unfinished_line: UnfinishedLine | None = None
    retry_at: float = 0.0


class FileStates:
    """The states of all files that exist."""

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
        """Drop the state of a file that is gone."""
        self._states.pop(file, None)

    def is_finished(self, found: DiscoveredFile) -> bool:
        """Return whether a file has nothing new, or it is too early to look again."""
        state = self.of(found.id, found.path)
        return state.finished == found or time.monotonic() < state.retry_at

    def finish(self, found: DiscoveredFile) -> None:
        """Do not open a file again before it changes, if its time is certain to show a change."""
        if self.is_settled(found):
            self.of(found.id, found.path).finished = found

    def reopen_all(self) -> None:
        """Open each file again, because lines that were read may not have been stored."""
        for state in self._states.values():
            state.finished = None

    def postpone(self, found: DiscoveredFile, seconds: float) -> None:
        """Do not open a file for a while, after it was read in vain for some seconds."""
        self.of(found.id, found.path).retry_at = time.monotonic() + rest_after(seconds)

    def is_settled(self, found: DiscoveredFile) -> bool:
        """Return whether a change from now on would show in the modification time."""
        return abs(self._clock() - found.modified // 1_000_000) > _MTIME_RESOLUTION


def rest_after(seconds: float) -> float:
    """Return how many seconds to wait before repeating work that took some seconds."""
    return _REST_FACTOR * seconds

"""Places: where files are that are followed, and where contents were.

The store has their names; but one may have been erased, since it told a user, or not be UTF-8.
"""

import os
from collections.abc import Iterable

from behavstats.store import SourceOffset
from behavstats.watch.discovery import File, Found


class Places:
    """What scans have found, beside what the store has."""

    def __init__(self) -> None:
        self._paths: dict[File, str] = {}
        self._left: dict[int, str] = {}

    def saw(self, found: Iterable[Found]) -> None:
        """Take note of files that are there."""
        self._paths.update((file.file, file.path) for file in found)

    def forget(self, file: File) -> None:
        """Take note of a file that is gone."""
        self._paths.pop(file, None)

    def left(self, progress: SourceOffset, path: str) -> None:
        """Take note that a content is not in this file any more."""
        self._left[progress.id] = path

    def of_file(self, file: File, name: str | None) -> str | None:
        """Return where a file is: at the name that it had, or where it was found; None if gone."""
        return next((path for path in (name, self._paths.get(file)) if leads_to(path, file)), None)

    def of(self, progress: SourceOffset) -> str | None:
        """Return where a content is; None if it is in no file any more."""
        if progress.device is None or progress.inode is None:
            return None
        return self.of_file((progress.device, progress.inode), progress.name)

    def name_of(self, progress: SourceOffset) -> str | None:
        """Return the name of the file in which a content is, or was."""
        return progress.name or self.of(progress) or self._left.get(progress.id)


def leads_to(path: str | None, file: File) -> bool:
    """Return whether a file is the one at a path."""
    try:
        status = os.stat(path or "")
    except (OSError, ValueError):
        return False
    return (status.st_dev, status.st_ino) == file

"""Where files are, and where contents were.

The store has the names of files. But a name may have been erased because it contained a user's id,
or it may not be UTF-8.
"""

from collections.abc import Callable

from behavstats.store import SourceOffset
from behavstats.watch.file_id import FileId, leads_to


class FileLocations:
    """Finds the path of a file: by the name that the store has, or where a scan found it."""

    def __init__(self, path_of: Callable[[FileId], str | None]) -> None:
        """`path_of` returns the path at which a scan found a file last."""
        self._path_of = path_of
        self._former_paths: dict[int, str] = {}  # by the keys of source offsets

    def note_replaced(self, offset: SourceOffset, path: str) -> None:
        """Note that the file at a path does not hold the content of this offset any more."""
        self._former_paths[offset.id] = path

    def path_of_file(self, file: FileId, name: str | None) -> str | None:
        """Return the path of a file, which had this name; None if the file is gone."""
        paths = (name, self._path_of(file))
        return next((path for path in paths if leads_to(path, file)), None)

    def path_of(self, offset: SourceOffset) -> str | None:
        """Return the path of the file that holds a content; None if the file is gone."""
        if offset.device is None or offset.inode is None:
            return None
        return self.path_of_file((offset.device, offset.inode), offset.name)

    def name_of(self, offset: SourceOffset) -> str | None:
        """Return the name of the file that holds a content, or held it; None if unknown."""
        return offset.name or self.path_of(offset) or self._former_paths.get(offset.id)

"""Locations: the present and former paths of files whose content is known.

The store has the names of files, but a name may have been erased because it contained a user's id,
or it may not be UTF-8. Then the last scan helps.
"""

from collections.abc import Callable

from behavstats.store import SourceOffset
from behavstats.watch.file_id import FileId, leads_to


class FileLocations:
    """Finds the path of a file by the name in the store, or by the last scan."""

    def __init__(self, path_of: Callable[[FileId], str | None]) -> None:
        """`path_of` returns the path at which a scan found a file last."""
        self._path_of = path_of
        self._former_paths: dict[int, str] = {}  # by the keys of source offsets

    def note_replaced(self, offset: SourceOffset, path: str) -> None:
        """Note that the file at a path no longer has the content of this offset."""
        self._former_paths[offset.id] = path

    def path_of_file(self, file: FileId, name: str | None) -> str | None:
        """Return the path of a file, given the name in the store; None if the file is gone."""
        paths = (name, self._path_of(file))
        return next((path for path in paths if leads_to(path, file)), None)

    def path_of(self, offset: SourceOffset) -> str | None:
        """Return the path of the file of an offset; None if the file is gone."""
        if offset.device is None or offset.inode is None:
            return None
        return self.path_of_file((offset.device, offset.inode), offset.name)

    def name_of(self, offset: SourceOffset) -> str | None:
        """Return the name that the file of an offset has or had; None if it is not known."""
        return offset.name or self.path_of(offset) or self._former_paths.get(offset.id)

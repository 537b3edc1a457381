"""The store's own files, which are not followed."""

import os
from collections.abc import Sequence
from pathlib import Path

from behavstats.watch.file_id import FileId, id_of, status_of


class StoreFiles:
    """Recognizes the files of a store, by their names or through links."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """`paths` are the store's files, links resolved; some of them may not exist yet."""
        self._paths = {*paths}
        self._ids: set[FileId] = set()

    def refresh(self) -> None:
        """Look up which files of the store exist."""
        statuses = map(status_of, map(str, self._paths))
        self._ids = {id_of(status) for status in statuses if status}

    def include(self, path: str, status: os.stat_result | None = None) -> bool:
        """Return whether a path is one of the store's files, or leads to one of them.

        `status` is that of the file at the path. Links to files that appeared after the last
        `refresh` are not recognized.
        """
        if status is not None and id_of(status) in self._ids:
            return True
        folder, name = os.path.split(path)
        return Path(os.path.realpath(folder), name) in self._paths

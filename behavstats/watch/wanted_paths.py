"""Which paths are wanted: by the names and folders to follow, and the patterns to include."""

import os
from collections.abc import Sequence
from fnmatch import fnmatchcase

from behavstats.watch.rotation import begins_alike, is_rotated, unpacked, unrotated
from behavstats.watch.store_files import StoreFiles


class WantedPaths:
    """Decides by their names which paths count. Each scan has its own.

    `named` are files that are followed by their names, `folders` those of which all files are.
    """

    def __init__(self, include: Sequence[str], store_files: StoreFiles) -> None:
        """In folders, only names that fit one of the patterns to `include` count, if any."""
        self.named: set[str] = set()
        self.folders: set[str] = set()
        self._include = include
        self._store_files = store_files

    def is_visible(self, path: str) -> bool:
        """Return whether a path is neither hidden (its name begins with a dot) nor the store's."""
        return not os.path.basename(path).startswith(".") and not self._store_files.include(path)

    def is_included(self, path: str) -> bool:
        """Return whether a name fits a pattern, or did before it was rotated or compressed."""
        names = {os.path.basename(form) for form in (path, unpacked(path), unrotated(path))}
        return not self._include or any(
            fnmatchcase(name, pattern) for name in names for pattern in self._include
        )

    def beside(self, path: str) -> str | None:
        """Return the followed file beside which a path lies that was not asked for itself.

        If there are several, return the one of which it is most likely a rotated file.
        """
        folder = os.path.dirname(path)
        if path in self.named or folder in self.folders:
            return None
        near = [
            name
            for name in self.named
            if begins_alike(path, name) and os.path.dirname(name) == folder
        ]
        return max(near, key=lambda name: (is_rotated(path, name), len(name), name), default=None)

    def has(self, path: str) -> bool:
        """Return whether a scan looks at a path."""
        if path in self.named:
            return True
        if not self.is_visible(path):
            return False
        if os.path.dirname(path) in self.folders:
            return self.is_included(path) or os.path.isdir(path)
        return self.beside(path) is not None

"""Wanted paths: those with names and in folders to follow, if they match the patterns."""

import os
from collections.abc import Sequence
from fnmatch import fnmatchcase

from behavstats.watch.rotation import begins_alike, is_rotated, unpacked, unrotated
from behavstats.watch.store_files import StoreFiles


class WantedPaths:
    """Decides by name which paths a scan looks at. Each scan has an object of its own.

    `named` are the files to follow by name, and `folders` are those whose files are followed.
    """

    def __init__(self, include: Sequence[str], store_files: StoreFiles) -> None:
        """In folders, only names that match a pattern in `include` count, if it has any."""
        self.named: set[str] = set()
        self.folders: set[str] = set()
        self._include = include
        self._store_files = store_files

    def is_visible(self, path: str) -> bool:
        """Return whether a path is not hidden (by a dot), and not one of the store's files."""
        return not os.path.basename(path).startswith(".") and not self._store_files.include(path)

    def is_included(self, path: str) -> bool:
        """Return whether a name matches a pattern, or did before rotation or compression."""
        names = {os.path.basename(form) for form in (path, unpacked(path), unrotated(path))}
        return not self._include or any(
            fnmatchcase(name, pattern) for name in names for pattern in self._include
        )

    def sibling_of(self, path: str) -> str | None:
        """Return the file to follow in the same folder whose name begins like that of a path.

        If there are several, return the one of which the path is most likely a rotated form. Return
        None if the path itself is to be followed.
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
        return self.sibling_of(path) is not None

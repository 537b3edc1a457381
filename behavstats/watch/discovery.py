"""Scanning: which files lie at the paths that are to be followed."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from behavstats.errors import InvalidInput, SourceError
from behavstats.sources.compression import unreadable
from behavstats.watch.rotation import begins_alike, is_rotated, unpacked, unrotated
from behavstats.watch.tailed_file import check_regular

File = tuple[int, int]
"""A file by its device and inode."""


_OF_STORE = "belongs to the store itself, and is not followed"


class Found(NamedTuple):
    """A regular file at a path; `size` in bytes as stored, `modified` in ns since the epoch.

    `beside` is None if it was asked for. Else it is a file that was, and this one lies beside it
    with a name that begins alike, as rotated files do: it counts only if it holds what that one
    held, or was rotated since that is followed.
    """

    path: str
    file: File
    size: int
    modified: int
    beside: str | None

    @property
    def is_rotated(self) -> bool:
        """Whether it has the name that the file beside it gets when it is rotated."""
        return self.beside is not None and is_rotated(self.path, self.beside)


class Scan:
    """Looks for the files at some paths: files, and folders with all that is below them.

    Hidden files and folders, whose name begins with a dot, are left out, and so are those of the
    store. A file that can be reached by several paths is found by the first of them.
    """

    def __init__(
        self,
        paths: Sequence[str],
        store_files: Sequence[Path],
        on_problem: Callable[[str, SourceError, bool], None],
        include: Sequence[str] = (),
    ) -> None:
        """`on_problem` is told of each path that cannot be followed, at each scan.

        And whether that is a failure: in a folder, there may be other things than files. Of a
        folder, those files count whose names fit one of the patterns to `include`, if there are
        any; or did, before they were rotated or compressed.
        Raises InvalidInput if a path is empty.
        """
        if not all(paths):
            raise InvalidInput("invalid_path", "a path is empty")
        self._roots = [os.path.abspath(path) for path in dict.fromkeys(paths)]
        self._store_files = [*store_files]
        self._files_of_store: set[File] = set()
        self._on_problem = on_problem
        self._include = include
        self._waits = False
        self._named: set[str] = set()  # files that were asked for by name
        self._whole: set[str] = set()  # folders of which all files are taken
        self.folders: dict[str, File] = {}
        """The folders that the last scan has met: where to wait for changes."""

    def check(self, *, waits: bool) -> None:
        """Raise SourceError if none of the paths is there, or can ever be followed.

        Who `waits` may name a file that is not there yet, if its folder is.
        """
        self._waits = waits
        self._know_files_of_store()
        problems = []
        for root in self._roots:
            try:
                if not self._is_the_stores(root, os.stat(root)):
                    return
                problems.append(f"{root}: {_OF_STORE}")
            except (OSError, ValueError) as error:
                if waits and _may_come(root, error):
                    return
                problems.append(str(unreadable(root, error)))
        raise SourceError("; ".join(problems))

    def names(self) -> list[str]:
        """Return the paths that are no folders: files, which need not be there."""
        return [root for root in self._roots if not os.path.isdir(root)]

    def files(self) -> list[Found]:
        """Return all files that are there now, each once."""
        self.folders, self._named, self._whole = {}, set(), set()
        self._know_files_of_store()
        found: dict[File, Found] = {}
        for root in self._roots:
            for file in self._at(root):
                known = found.get(file.file)
                if known is None or (known.beside and not file.beside):
                    found[file.file] = file
        return [*found.values()]

    def some(self, paths: Iterable[str]) -> list[Found] | None:
        """Return those files that lie at these paths; None if all have to be looked at.

        Because a folder has come, or another one has taken its place.
        """
        found: dict[File, Found] = {}
        for path in sorted(filter(self.is_wanted, paths), key=self._is_named):
            status = _status(path)
            if status is None:  # renamed, most likely
                continue
            if stat.S_ISDIR(status.st_mode):
                return None
            for file in self._found(path, status):
                found.setdefault(file.file, file)
        return [*found.values()]

    def is_wanted(self, path: str) -> bool:
        """Return whether a path below one of the folders is one that a scan looks at."""
        folder, name = os.path.split(path)
        if path in self._named:
            return True
        if name.startswith(".") or self._is_the_stores(path):
            return False
        if folder in self._whole:
            return self._is_included(path) or os.path.isdir(path)
        return self._beside(path) is not None

    def _at(self, root: str) -> Iterator[Found]:
        status = _status(root)
        if status is not None and stat.S_ISDIR(status.st_mode):
            yield from self._below(root, status)
            return
        if self._is_the_stores(root, status):
            self._on_problem(root, SourceError(f"{root}: {_OF_STORE}"), True)
            return
        # By its name, it is followed also while it is not there, and where it was rotated to.
        self._named.add(root)
        folder = os.path.dirname(root)
        of_folder = _status(folder)
        if of_folder is not None:
            self.folders.setdefault(folder, _file(of_folder))
        for path in self._paths_in(folder):
            if self._beside(path) == root:
                yield from self._found(path, _status(path))
        yield from self._found(root, status)  # last: what it held before comes first

    def _below(self, root: str, status: os.stat_result) -> Iterator[Found]:
        met: set[File] = set()
        waiting = [(root, status)]
        while waiting:
            folder, status = waiting.pop()
            if _file(status) in met:  # by a link, maybe in a circle
                continue
            met.add(_file(status))
            self.folders[folder] = _file(status)
            self._whole.add(folder)
            for path in self._paths_in(folder):
                below = _status(path)
                if below is not None and stat.S_ISDIR(below.st_mode):
                    waiting.append((path, below))
                elif self._is_included(path):
                    yield from self._found(path, below)

    def _paths_in(self, folder: str) -> Iterator[str]:
        try:
            names = sorted(os.listdir(folder))
        except OSError as error:
            self._on_problem(folder, unreadable(folder, error), True)
            return
        for name in names:
            path = os.path.join(folder, name)
            if not name.startswith(".") and not self._is_the_stores(path):
                yield path

    def _found(self, path: str, status: os.stat_result | None) -> Iterator[Found]:
        """Yield what is found at a path, unless that is a problem."""
        try:
            status = status or os.stat(path)  # which tells what is wrong
            check_regular(path, status)
            if self._is_the_stores(path, status):  # by a link
                return
        except SourceError as error:
            self._on_problem(path, error, path in self._named)
        except FileNotFoundError as error:
            is_named = path in self._named
            if self._waits and is_named and _may_come(path, error):
                problem = SourceError(f"{path}: is not there, and is waited for")
            else:  # it was there a moment ago
                problem = unreadable(path, error)
            self._on_problem(path, problem, is_named)
        except (OSError, ValueError) as error:
            self._on_problem(path, unreadable(path, error), True)
        else:
            times = (status.st_size, status.st_mtime_ns)
            yield Found(path, _file(status), *times, self._beside(path))

    def _is_included(self, path: str) -> bool:
        names = {os.path.basename(form) for form in (path, unpacked(path), unrotated(path))}
        return not self._include or any(
            fnmatchcase(name, pattern) for name in names for pattern in self._include
        )

    def _is_named(self, path: str) -> bool:
        return path in self._named

    def _beside(self, path: str) -> str | None:
        """Return the file beside which another lies that was not asked for."""
        folder = os.path.dirname(path)
        if path in self._named or folder in self._whole:
            return None
        near = [
            name
            for name in self._named
            if begins_alike(path, name) and os.path.dirname(name) == folder
        ]
        return max(near, key=lambda name: (is_rotated(path, name), len(name), name), default=None)

    def _know_files_of_store(self) -> None:
        statuses = map(_status, map(str, self._store_files))
        self._files_of_store = {_file(status) for status in statuses if status}

    def _is_the_stores(self, path: str, status: os.stat_result | None = None) -> bool:
        """Return whether a file is one of the store's, by its name or by what is there."""
        if status is not None and _file(status) in self._files_of_store:
            return True
        folder, name = os.path.split(path)
        return Path(os.path.realpath(folder), name) in self._store_files


def _may_come(path: str, error: Exception) -> bool:
    return isinstance(error, FileNotFoundError) and os.path.isdir(os.path.dirname(path))


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except (OSError, ValueError):
        return None


def _file(status: os.stat_result) -> File:
    return status.st_dev, status.st_ino

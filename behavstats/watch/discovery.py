"""Discovery: finds the files at the paths to follow."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from behavstats.errors import InvalidInput, SourceError
from behavstats.sources.compression import unreadable
from behavstats.watch.file_id import FileId, id_of, status_of
from behavstats.watch.rotation import is_rotated
from behavstats.watch.store_files import StoreFiles
from behavstats.watch.tailed_file import check_regular
from behavstats.watch.wanted_paths import WantedPaths

_OF_STORE = "belongs to the store itself, and is not followed"


class DiscoveredFile(NamedTuple):
    """A regular file at a path; `size` in bytes as stored, `modified` in ns since the epoch.

    `sibling` is None if this file is to be followed itself. Otherwise it is the path of a file to
    follow in the same folder, whose name begins alike, so this file may be a rotated form of it.
    It is read only if it has the content of a known file, or was rotated after following began.
    """

    path: str
    id: FileId
    size: int
    modified: int
    sibling: str | None

    @property
    def is_rotated(self) -> bool:
        """Whether the name is one that the sibling may get when it is rotated."""
        return self.sibling is not None and is_rotated(self.path, self.sibling)


class FileScanner:
    """Finds the files at some paths, each of which is a file, or a folder with all files below it.

    Hidden files and folders (their names begin with a dot) are left out, and so are the store's own
    files. A file that can be reached by several paths is found at the first of them.
    """

    def __init__(
        self,
        paths: Sequence[str],
        store_files: Sequence[Path],
        on_problem: Callable[[str, SourceError, bool], None],
        include: Sequence[str] = (),
    ) -> None:
        """`on_problem` is called at each scan for each path that cannot be followed.

        Its last argument says whether that is a failure; a pipe in a folder, for example, is not.
        If there are patterns to `include`, only files whose names match one of them are found in
        folders. A rotated or compressed file may also match by its former name. Raises InvalidInput
        if a path is empty.
        """
        if not all(paths):
            raise InvalidInput("invalid_path", "a path is empty")
        self._roots = [os.path.abspath(path) for path in dict.fromkeys(paths)]
        self._store_files = StoreFiles(store_files)
        self._on_problem = on_problem
        self._include = include
        self._waits = False
        self._wanted = WantedPaths(include, self._store_files)
        self.folders: dict[str, FileId] = {}
        """The folders that the last scan has visited, in which files may change."""

    def check(self, *, waits: bool) -> None:
        """Raise SourceError unless at least one of the paths can be followed.

        With `waits`, a file need not exist yet if its folder does.
        """
        self._waits = waits
        self._store_files.refresh()
        problems = []
        for root in self._roots:
            try:
                if not self._store_files.include(root, os.stat(root)):
                    return
                problems.append(f"{root}: {_OF_STORE}")
            except (OSError, ValueError) as error:
                if waits and _may_appear(root, error):
                    return
                problems.append(str(unreadable(root, error)))
        raise SourceError("; ".join(problems))

    def names(self) -> list[str]:
        """Return the paths that are not folders. The files may not exist yet."""
        return [root for root in self._roots if not os.path.isdir(root)]

    def files(self) -> list[DiscoveredFile]:
        """Return all files that are there now, each once."""
        self.folders = {}
        self._wanted = WantedPaths(self._include, self._store_files)
        self._store_files.refresh()
        found: dict[FileId, DiscoveredFile] = {}
        for root in self._roots:
            for file in self._at(root):
                known = found.get(file.id)
                if known is None or (known.sibling and not file.sibling):
                    found[file.id] = file
        return [*found.values()]

    def files_at(self, paths: Iterable[str]) -> list[DiscoveredFile] | None:
        """Return the files at those of the paths that a scan looks at.

        Return None if everything has to be scanned, because a folder has appeared or was replaced.
        """
        found: dict[FileId, DiscoveredFile] = {}
        for path in sorted(filter(self.is_wanted, paths), key=self._is_named):
            status = status_of(path)
            if status is None:  # renamed, most likely
                continue
            if stat.S_ISDIR(status.st_mode):
                return None
            for file in self._discover(path, status):
                found.setdefault(file.id, file)
        return [*found.values()]

    def is_wanted(self, path: str) -> bool:
        """Return whether a scan looks at a path, which is in one of the folders."""
        return self._wanted.has(path)

    def _is_named(self, path: str) -> bool:
        return path in self._wanted.named

    def _at(self, root: str) -> Iterator[DiscoveredFile]:
        """Yield the files at one of the paths to follow."""
        status = status_of(root)
        if status is not None and stat.S_ISDIR(status.st_mode):
            yield from self._below(root, status)
            return
        if self._store_files.include(root, status):
            self._on_problem(root, SourceError(f"{root}: {_OF_STORE}"), True)
            return
        # The name is followed even while no file has it, and so are files that were rotated.
        self._wanted.named.add(root)
        folder = os.path.dirname(root)
        folder_status = status_of(folder)
        if folder_status is not None:
            self.folders.setdefault(folder, id_of(folder_status))
        for path in self._paths_in(folder):
            if self._wanted.sibling_of(path) == root:
                yield from self._discover(path, status_of(path))
        yield from self._discover(root, status)  # last: rotated files have older lines

    def _below(self, root: str, status: os.stat_result) -> Iterator[DiscoveredFile]:
        """Yield the files below a folder."""
        visited: set[FileId] = set()
        waiting = [(root, status)]
        while waiting:
            folder, status = waiting.pop()
            if id_of(status) in visited:  # links may form a circle
                continue
            visited.add(id_of(status))
            self.folders[folder] = id_of(status)
            self._wanted.folders.add(folder)
            for path in self._paths_in(folder):
                below = status_of(path)
                if below is not None and stat.S_ISDIR(below.st_mode):
                    waiting.append((path, below))
                elif self._wanted.is_included(path):
                    yield from self._discover(path, below)

    def _paths_in(self, folder: str) -> Iterator[str]:
        try:
            names = sorted(os.listdir(folder))
        except OSError as error:
            self._on_problem(folder, unreadable(folder, error), True)
            return
        paths = (os.path.join(folder, name) for name in names)
        yield from filter(self._wanted.is_visible, paths)

    def _discover(self, path: str, status: os.stat_result | None) -> Iterator[DiscoveredFile]:
        """Yield the file at a path, or report what is wrong with it."""
        try:
            status = status or os.stat(path)  # raises an error that says what is wrong
            check_regular(path, status)
            if self._store_files.include(path, status):  # by a link
                return
        except SourceError as error:
            self._on_problem(path, error, self._is_named(path))
        except FileNotFoundError as error:
            is_named = self._is_named(path)
            if self._waits and is_named and _may_appear(path, error):
                problem = SourceError(f"{path}: does not exist yet; waiting for it")
            else:  # it was there a moment ago
                problem = unreadable(path, error)
            self._on_problem(path, problem, is_named)
        except (OSError, ValueError) as error:
            self._on_problem(path, unreadable(path, error), True)
        else:
            sibling = self._wanted.sibling_of(path)
            yield DiscoveredFile(path, id_of(status), status.st_size, status.st_mtime_ns, sibling)


def _may_appear(path: str, error: Exception) -> bool:
    """Return whether a file does not exist, but its folder does."""
    return isinstance(error, FileNotFoundError) and os.path.isdir(os.path.dirname(path))

"""The state of one round of the tailer, which is dropped at the end of the round."""

import os
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property

from behavstats.store import SourceOffset, Store
from behavstats.watch.discovery import DiscoveredFile
from behavstats.watch.file_id import FileId
from behavstats.watch.tracked_file import TrackedFile


class KnownNames:
    """The names that the store has of files; the store is asked once, when they are needed."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def latest(self, name: str) -> SourceOffset | None:
        """Return the offset of the file that was read last under a name."""
        return self._by_name.get(name)

    def has_folder_of(self, name: str) -> bool:
        """Return whether any file was read in the folder of a file."""
        return os.path.dirname(name) in self._folders

    @cached_property
    def _by_name(self) -> dict[str, SourceOffset]:
        offsets = sorted(self._store.offsets.all(), key=lambda offset: offset.taken)
        return {offset.name: offset for offset in offsets if offset.name}

    @cached_property
    def _folders(self) -> set[str]:
        return set(map(os.path.dirname, self._by_name))


@dataclass(slots=True)
class Round:
    """The state of a round.

    `tracked` are the files that are read, `by_prefix` are the same files by the fingerprints of
    their prefixes, and `due` are the files whose offsets the next batch has to store. `looked_at`
    are all files as a scan found them before they were opened. `left_out` counts lines of erased
    users by the names of files. `is_behind` says that a file has to wait for the next round.
    """

    names: KnownNames
    tracked: dict[FileId, TrackedFile] = field(default_factory=dict)
    by_prefix: dict[bytes, TrackedFile] = field(default_factory=dict)
    due: set[TrackedFile] = field(default_factory=set)
    looked_at: dict[FileId, DiscoveredFile] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    is_behind: bool = False

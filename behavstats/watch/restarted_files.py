"""Files that are read again from their beginning though they, or others beside them, are known.

Either they were rotated, which shows when a copy of the former content is found; or that content is
lost, which is logged.
"""

import logging
import time
from typing import NamedTuple

from behavstats.store import SourceOffset, Store
from behavstats.watch.file_id import FileId
from behavstats.watch.locations import FileLocations

_GRACE = 5.0  # seconds in which a copy of the former content may appear: compressing takes a while
_MOST_CONTINUED = 10_000  # that are remembered

_log = logging.getLogger(__name__)


class _Pending(NamedTuple):
    """A file whose former content is looked for until `deadline`, in monotonic seconds.

    `former` is the key of the source offset of that content.
    """

    name: str
    former: int
    deadline: float


class RestartedFiles:
    """Finds out of which files the former content is lost, and logs it."""

    def __init__(self, store: Store, locations: FileLocations) -> None:
        self._store = store
        self._locations = locations
        self._pending: dict[FileId, _Pending] = {}
        self._continued: set[int] = set()  # keys of source offsets

    def note_continued(self, offset: SourceOffset) -> None:
        """Note that a content continues in another file."""
        if len(self._continued) >= _MOST_CONTINUED:
            self._continued.clear()
        self._continued.add(offset.id)

    def expect_copy(self, file: FileId, name: str, former: SourceOffset) -> None:
        """Log a warning later, unless a copy of what a file held before is found soon."""
        self._pending[file] = _Pending(name, former.id, time.monotonic() + _GRACE)

    def log_restarts(self, *, at_once: bool) -> None:
        """Log of which files the former content is lost; forget those that were rotated.

        A file was rotated if its former content is there, or continues in a copy. With `at_once`,
        no copy is waited for. Raises StoreError.
        """
        if not self._pending:
            return
        offsets = {offset.id: offset for offset in self._store.offsets.all()}
        for file, pending in [*self._pending.items()]:
            former = offsets.get(pending.former)
            is_there = former is not None and self._locations.path_of(former) is not None
            if is_there or pending.former in self._continued:
                self._store.offsets.mark_rotated(*file)
            elif at_once or time.monotonic() > pending.deadline:
                _log.warning(
                    "%s: what was taken of it is not there any more, nor is a copy of that: it is "
                    "TAKEN ANEW from its beginning. What it held and was not taken yet is lost; "
                    "page views are not counted twice; those of users who were erased, from "
                    "before that, are left out",
                    pending.name,
                )
            else:
                continue
            del self._pending[file]

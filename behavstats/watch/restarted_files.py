"""Restarted files: known files that are read from their beginning, because their content changed.

If such a file was rotated, a copy of its former content is found sooner or later. Otherwise the
former content is lost, and a warning is logged.
"""

import logging
import time
from collections.abc import Callable
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
    """Finds the restarted files whose former content is lost, and logs them."""

    def __init__(self, store: Store, clock: Callable[[], int], locations: FileLocations) -> None:
        """`clock` returns ms since the epoch."""
        self._store = store
        self._clock = clock
        self._locations = locations
        self._pending: dict[FileId, _Pending] = {}
        self._continued: set[int] = set()  # keys of source offsets

    def note_continued(self, offset: SourceOffset) -> None:
        """Note that the content of an offset continues in another file."""
        if len(self._continued) >= _MOST_CONTINUED:
            self._continued.clear()
        self._continued.add(offset.id)

    def expect_copy(self, file: FileId, name: str, former: SourceOffset) -> int:
        """Log a warning later, unless a copy of the former content of a file is found soon.

        Return the current time in ms since the epoch.
        """
        self._pending[file] = _Pending(name, former.id, time.monotonic() + _GRACE)
        return self._clock()

    def log_restarts(self, *, at_once: bool) -> None:
        """Log the files whose former content is lost; forget those that were rotated.

        A file was rotated if its former content still exists, or continues in a copy. With
        `at_once`, it does not wait for copies. Raises StoreError.
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
                    "%s: its former content is gone, and no copy of it was found: the file is "
                    "READ AGAIN from its beginning. Lines of the former content that were not "
                    "ingested yet are lost. No page view is counted twice, and page views of "
                    "erased users from before their erasure are left out",
                    pending.name,
                )
            else:
                continue
            del self._pending[file]

"""Named files: files that are followed by their names, and the times since when."""

from collections.abc import Callable, Iterable

from behavstats.sources.files import stored_name
from behavstats.store import Store
from behavstats.watch.discovery import DiscoveredFile


class NamedFiles:
    """Knows since when files are followed by their names, also across restarts."""

    def __init__(self, store: Store, clock: Callable[[], int]) -> None:
        """`clock` returns ms since the epoch."""
        self._store = store
        self._start = clock()
        self._since: dict[str, int] = {}  # ms, by path

    def add(self, paths: Iterable[str]) -> None:
        """Note that files are followed by their names from now on, unless they are already.

        Raises StoreError.
        """
        new = [path for path in paths if path not in self._since]
        if new:
            names = [*map(stored_name, new)]
            since = self._store.offsets.asked_since(names, self._start)
            self._since.update(zip(new, since, strict=True))

    def is_wanted(self, found: DiscoveredFile) -> bool:
        """Return whether to read a file even if its content is not known.

        The sibling of a followed file is read only if it was rotated after following began: it may
        have had the followed name for a moment between two scans.
        """
        if found.sibling is None:
            return True
        since = self._since.get(found.sibling)
        return since is not None and found.is_rotated and found.modified // 1_000_000 > since

"""Problems with paths. Each is logged once, until it changes."""

import logging

from behavstats.errors import SourceError

_MOST_PROBLEMS = 10_000  # that are remembered

_log = logging.getLogger(__name__)


class ProblemLog:
    """Logs problems with paths, each of them once."""

    def __init__(self) -> None:
        self._problems: dict[str, str] = {}

    def note(self, path: str, error: SourceError) -> bool:
        """Log a problem unless it is known; return whether it was new."""
        if self._problems.get(path) == str(error):
            return False
        if len(self._problems) >= _MOST_PROBLEMS:
            self._problems.clear()
        self._problems[path] = str(error)
        _log.warning("%s", error)
        return True

    def clear(self, path: str) -> None:
        """Note that a path has no problem any more."""
        self._problems.pop(path, None)

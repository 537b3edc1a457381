"""The progress log: says how many lines of followed files were ingested."""

import logging
import time
from collections import Counter

from behavstats.ingest.report import Report
from behavstats.text import counted

_INTERVAL = 10.0  # seconds between two lines of the log

_log = logging.getLogger(__name__)


class ProgressLog:
    """Logs progress at once, and then every ten seconds at most."""

    def __init__(self) -> None:
        self._lines = Counter[str]()
        self._logged = (0, 0, 0)
        self._due = 0.0

    def add(self, name: str, lines: int) -> None:
        """Note that lines of a file were read."""
        self._lines[name] += lines

    def write(self, report: Report) -> None:
        """Log the progress since the last time, if that is due; `report` counts everything."""
        counts = (report.added, report.duplicates, report.rejected.total())
        if counts == self._logged or not self._lines or time.monotonic() < self._due:
            return
        added, duplicates, rejected = map(int.__sub__, counts, self._logged)
        lines = counted(self._lines.total(), "line")
        outcome = _outcome(added, duplicates, rejected)
        _log.info("ingested %s of %s: %s", lines, self._names(), outcome)
        self._lines.clear()
        self._logged = counts
        self._due = time.monotonic() + _INTERVAL

    def _names(self) -> str:
        """Return the name of the file with the most lines, and the number of other files."""
        ((most, _),) = self._lines.most_common(1)
        others = len(self._lines) - 1
        return f"{most} and {counted(others, 'other file')}" if others else most


def summary(report: Report, rejects_command: str = "behavstats rejects") -> str:
    """Return one sentence that counts everything that was ingested."""
    rejected = report.rejected.total()
    outcome = _outcome(report.added, report.duplicates, rejected)
    listed = f" (listed by: {rejects_command})" if rejected else ""
    left_out = f", {report.left_out:,} of erased users left out" if report.left_out else ""
    return f"{counted(report.read, 'line')} ingested: {outcome}{listed}{left_out}"


def _outcome(added: int, duplicates: int, rejected: int) -> str:
    views = counted(added, "page view")
    return f"{views} added, {counted(duplicates, 'duplicate')}, {rejected:,} rejected"

"""The log of what was ingested from followed files, written now and then."""

import logging
import time
from collections import Counter

from behavstats.ingest.report import Report

_INTERVAL = 10.0  # seconds between two lines of the log

_log = logging.getLogger(__name__)


class ProgressLog:
    """Logs what was ingested since the last time: at once, and then every ten seconds at most."""

    def __init__(self) -> None:
        self._lines = Counter[str]()
        self._logged = (0, 0, 0)
        self._due = 0.0

    def add(self, name: str, lines: int) -> None:
        """Note that lines of a file were read."""
        self._lines[name] += lines

    def write(self, report: Report) -> None:
        """Log what is new in the report of all that was ingested, if it is time to."""
        counts = (report.added, report.duplicates, report.rejected.total())
        if counts == self._logged or not self._lines or time.monotonic() < self._due:
            return
        added, duplicates, rejected = map(int.__sub__, counts, self._logged)
        _log.info(
            "took %s lines of %s: %s page views added, %s duplicates, %s rejected",
            f"{self._lines.total():,}",
            self._names(),
            f"{added:,}",
            f"{duplicates:,}",
            f"{rejected:,}",
        )
        self._lines.clear()
        self._logged = counts
        self._due = time.monotonic() + _INTERVAL

    def _names(self) -> str:
        """Name the file of which most lines were read, and count the others."""
        ((most, _),) = self._lines.most_common(1)
        others = len(self._lines) - 1
        if not others:
            return most
        return f"{most} and {others:,} other {'file' if others == 1 else 'files'}"


def summary(report: Report, rejects_command: str = "behavstats rejects") -> str:
    """Return one sentence that says what was ingested in all."""
    rejected = report.rejected.total()
    listed = f" ({rejects_command} lists them)" if rejected else ""
    left_out = f", {report.left_out:,} of erased users left out" if report.left_out else ""
    return (
        f"{report.read:,} lines taken: {report.added:,} page views added, "
        f"{report.duplicates:,} duplicates, {rejected:,} rejected{listed}{left_out}"
    )

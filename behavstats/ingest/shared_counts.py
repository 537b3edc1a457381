"""Counts of ingested lines in memory that two processes share: one counts, the other reads."""

import ctypes
from collections.abc import Iterator, Mapping
from multiprocessing.sharedctypes import RawArray

from behavstats.ingest.report import Report

_MAX_COUNTS = 64  # there are a dozen reasons and half a dozen kinds
_ELSE = "else"  # the label of the last count, if there are too many counts

ADDED, DUPLICATES, REJECTED, OTHERS = "added", "duplicates", "rejected", "other"


class _Count(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char * 56), ("count", ctypes.c_longlong))


class SharedCounts:
    """Counts that outlive the process that counts; pass them to a process when you start it.

    No lock is needed: only one process counts at a time, a count is one word of memory, and its
    name is written before the count is more than 0.
    """

    def __init__(self) -> None:
        self._counts = RawArray(_Count, _MAX_COUNTS)

    def add(self, name: str, label: str, count: int) -> None:
        """Add to the count of a name and a label, which may be empty.

        If there are too many names and labels, the last count stands for all further ones.
        """
        key = f"{name} {label}".encode()
        last = len(self._counts) - 1
        for number, slot in enumerate(self._counts):
            if not slot.name:
                slot.name = key if number < last else f"{name} {_ELSE}".encode()
            if slot.name == key or number == last:
                slot.count += count
                return

    def read(self) -> Iterator[tuple[str, str, int]]:
        """Yield each name, its label, and its count if that is not 0."""
        for slot in self._counts:
            if slot.count:
                name, _, label = slot.name.decode().partition(" ")
                yield name, label, slot.count


class ReportCounter:
    """Adds a growing report to shared counts."""

    def __init__(self, counts: SharedCounts) -> None:
        self._shared = counts
        self._counted: dict[tuple[str, str], int] = {}

    def update(self, report: Report) -> None:
        """Add the increase of the report's counts since the last call."""
        for (name, label), count in _counts(report).items():
            more = count - self._counted.get((name, label), 0)
            if more:
                self._shared.add(name, label, more)
                self._counted[name, label] = count


def _counts(report: Report) -> Mapping[tuple[str, str], int]:
    return {
        (ADDED, ""): report.added,
        (DUPLICATES, ""): report.duplicates,
        **{(REJECTED, reason): count for reason, count in report.rejected.items()},
        **{(OTHERS, kind): count for kind, count in report.non_page_messages.items()},
    }

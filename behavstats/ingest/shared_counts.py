"""A tally of what was taken of followed files, which two processes share: one counts, one reads."""

import ctypes
from collections.abc import Iterator, Mapping
from multiprocessing.sharedctypes import RawArray

from behavstats.ingest.report import Report

_MOST = 64  # counts; there are a dozen reasons and half a dozen kinds
_ELSE = "else"

ADDED, DUPLICATES, REJECTED, OTHERS = "added", "duplicates", "rejected", "other"


class _Count(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char * 56), ("count", ctypes.c_longlong))


class SharedCounts:
    """Counts that outlive the process that counts; to be handed to a process as it is started.

    One process at a time counts, so that nobody has to wait for the other: a count is one word of
    memory, and its name stands before it is more than nothing.
    """

    def __init__(self) -> None:
        """At first, nothing was counted."""
        self._counts = RawArray(_Count, _MOST)

    def add(self, name: str, label: str, count: int) -> None:
        """Count some more of a name, and maybe of a label. Of too many, the rest is one."""
        key = f"{name} {label}".encode()
        last = len(self._counts) - 1
        for number, place in enumerate(self._counts):
            if not place.name:
                place.name = key if number < last else f"{name} {_ELSE}".encode()
            if place.name == key or number == last:
                place.count += count
                return

    def read(self) -> Iterator[tuple[str, str, int]]:
        """Yield each name with its label and its count."""
        for place in self._counts:
            if place.count:
                name, _, label = place.name.decode().partition(" ")
                yield name, label, place.count


class ReportCounter:
    """Brings a report, as it grows, into a tally."""

    def __init__(self, tally: SharedCounts) -> None:
        self._tally = tally
        self._told: dict[tuple[str, str], int] = {}

    def update(self, report: Report) -> None:
        """Count what the report has more than the last time."""
        for (name, label), count in _counts(report).items():
            more = count - self._told.get((name, label), 0)
            if more:
                self._tally.add(name, label, more)
                self._told[name, label] = count


def _counts(report: Report) -> Mapping[tuple[str, str], int]:
    return {
        (ADDED, ""): report.added,
        (DUPLICATES, ""): report.duplicates,
        **{(REJECTED, reason): count for reason, count in report.rejected.items()},
        **{(OTHERS, kind): count for kind, count in report.non_page_messages.items()},
    }

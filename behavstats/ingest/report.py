"""The report of an ingest: counts and examples."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from behavstats.errors import BehavstatsError
from behavstats.model.page_view import Rejection

_EXAMPLES = 5


@dataclass(slots=True)
class Report:
    """The result of an ingest.

    Each line `read` is one of `added`, `duplicates`, `non_page_messages` (by kind, for example
    `track`) and `rejected` (by reason). `left_out` counts page views and lines that were skipped:
    those of erased users, in files that are read again. `failures` are the errors of sources that
    could not be read; if an error of the store ended the ingest, it is the last one.
    """

    added: int = 0
    duplicates: int = 0
    non_page_messages: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    examples: list[Rejection] = field(default_factory=list)
    failures: list[BehavstatsError] = field(default_factory=list)
    left_out: int = 0
    seconds: float = 0.0
    interrupted: bool = False

    @property
    def read(self) -> int:
        """How many lines were ingested, without blank lines."""
        return self.added + self.duplicates + self.non_page_messages.total() + self.rejected.total()

    def note_rejected(self, rejections: Sequence[Rejection]) -> None:
        """Count rejected lines, and keep the first five as examples."""
        self.rejected.update(rejection.reason for rejection in rejections)
        self.examples += rejections[: _EXAMPLES - len(self.examples)]

    def values(self, *, is_stored: bool) -> dict[str, object]:
        """Return the report for JSON; without a store, `page_views` counts added and duplicates."""
        stored = {"added": self.added, "duplicates": self.duplicates}
        return {
            "read": self.read,
            **(stored if is_stored else {"page_views": self.added}),
            "dry_run": not is_stored,
            "others": dict(self.non_page_messages),
            "rejected": dict(self.rejected),
            "failures": [*map(str, self.failures)],
            "seconds": round(self.seconds, 3),
            "interrupted": self.interrupted,
        }

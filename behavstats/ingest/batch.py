"""A batch: what was decoded of some blocks, to be stored together."""

from collections import Counter
from collections.abc import Iterator, Sequence

from behavstats.decode.vectorized import Decoded
from behavstats.ingest.report import Report
from behavstats.model.columns import BatchBuilder
from behavstats.model.page_view import Rejection
from behavstats.store import OffsetUpdate, Store

# A batch ends where it reaches one of these. The larger it is, the fewer pages of the store it
# touches for each page view.
_MOST_VIEWS = 1_000_000
_MOST_BYTES = 28 * 1024 * 1024  # of memory, roughly


class Batch:
    """What was decoded of some blocks, to be stored together."""

    def __init__(self) -> None:
        """At first, there is nothing in it."""
        self._views = BatchBuilder()
        self._rejections: list[Rejection] = []
        self._rejected = 0  # bytes, roughly
        self._others = Counter[str]()

    def add(self, part: Decoded) -> None:
        """Add what a block was decoded to."""
        self._views.add(part.views)
        self._rejections += part.rejections
        self._rejected += sum(rejection.size for rejection in part.rejections)
        self._others += part.non_page_messages

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it to be stored or counted."""
        return not (self._views.size or self._rejections or self._others)

    @property
    def is_full(self) -> bool:
        """Whether it should be stored now; a larger one would take too much memory."""
        size = self._views.size + self._rejected
        return len(self._views) >= _MOST_VIEWS or size >= _MOST_BYTES

    def store(
        self, store: Store, report: Report, steps: Sequence[OffsetUpdate] = ()
    ) -> Iterator[None]:
        """Store it; yield after each part of it, which is counted then.

        The last transaction holds the rejected lines and the `steps` of the files it comes from.
        """
        views, rejections = self._views.page_views(), self._rejections
        if views.dated:
            added = store.add(views.dated)
            report.added += added
            report.duplicates += len(views.dated) - added
        for stored, added in store.load(views, rejections, steps):
            report.added += added
            report.duplicates += stored - added
            yield
        report.non_page_messages += self._others
        report.note_rejected(rejections)
        yield

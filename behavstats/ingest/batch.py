"""A batch: decoded blocks that are stored together."""

from collections import Counter
from collections.abc import Iterator, Sequence

from behavstats.decode.vectorized import Decoded
from behavstats.ingest.report import Report
from behavstats.model.columns import BatchBuilder
from behavstats.model.page_view import Rejection
from behavstats.store import OffsetUpdate, Store

# A batch is full when it reaches one of these limits. The larger the batch, the fewer pages of the
# store have to be written for each page view.
_MOST_VIEWS = 1_000_000
_MOST_BYTES = 28 * 1024 * 1024  # of memory, roughly


class Batch:
    """Decoded blocks that are stored together; empty at first."""

    def __init__(self) -> None:
        self._views = BatchBuilder()
        self._rejections: list[Rejection] = []
        self._rejections_size = 0  # bytes, roughly
        self._non_page_messages = Counter[str]()

    def add(self, part: Decoded) -> None:
        """Add a decoded block."""
        self._views.add(part.views)
        self._rejections += part.rejections
        self._rejections_size += sum(rejection.size for rejection in part.rejections)
        self._non_page_messages += part.non_page_messages

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to store or to count."""
        return not (self._views.size or self._rejections or self._non_page_messages)

    @property
    def is_full(self) -> bool:
        """Whether the batch should be stored now; a larger one would take too much memory."""
        size = self._views.size + self._rejections_size
        return len(self._views) >= _MOST_VIEWS or size >= _MOST_BYTES

    def store(
        self, store: Store, report: Report, updates: Sequence[OffsetUpdate] = ()
    ) -> Iterator[None]:
        """Store the batch; after each transaction, count its page views in `report` and yield.

        The last transaction also stores the rejected lines and the offset `updates` of the files
        that the batch comes from. Raises StoreError.
        """
        views, rejections = self._views.page_views(), self._rejections
        if views.dated:
            added = store.add(views.dated)
            report.added += added
            report.duplicates += len(views.dated) - added
        for stored, added in store.load(views, rejections, updates):
            report.added += added
            report.duplicates += stored - added
            yield
        report.non_page_messages += self._non_page_messages
        report.note_rejected(rejections)
        yield

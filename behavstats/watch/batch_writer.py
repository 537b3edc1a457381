"""Stores the lines of a round in batches, with the offsets up to which the files were read.

A batch is stored in one transaction, together with the offsets of its files. A large batch needs
several transactions, and only the last one has the offsets and the rejected lines. The others have
page views only; if these are read again after a crash, they are duplicates and not stored twice.
"""

from collections.abc import Callable

from behavstats.decode.vectorized import Decoded
from behavstats.ingest.batch import Batch
from behavstats.ingest.report import Report
from behavstats.store import Store
from behavstats.watch.erased_user_filter import ErasedUserFilter
from behavstats.watch.round import Round
from behavstats.watch.tracked_file import Position, TrackedFile


class BatchWriter:
    """Collects the decoded lines of a round, and stores them with the offsets of their files."""

    def __init__(
        self,
        current: Round,
        store: Store,
        clock: Callable[[], int],
        report: Report,
        on_lines: Callable[[TrackedFile, int], None],
    ) -> None:
        """`clock` returns ms since the epoch.

        `on_lines` is called with a file and the number of lines that were read from it.
        """
        self._round = current
        self._store = store
        self._clock = clock
        self._report = report
        self._on_lines = on_lines
        self._begin()

    def _begin(self) -> None:
        self._batch = Batch()
        self._filter = ErasedUserFilter(lambda: self._store.offsets.erasures_since(0))

    @property
    def is_full(self) -> bool:
        """Whether the batch should be stored now, because it takes much memory."""
        return self._batch.is_full

    def add(self, part: Decoded, position: Position) -> None:
        """Add a decoded block of lines; `position` is where the block ends."""
        file, checkpoint = position
        lines = checkpoint.lines - file.decoded.lines
        file.decoded = checkpoint
        self._round.due.add(file)
        if file.is_read_again:
            part, left_out = self._filter.apply(part)
            if left_out:
                self._round.left_out[file.name] += left_out
        file.rejected += len(part.rejections)
        self._on_lines(file, lines)
        self._batch.add(part)

    def store(self, pump: Callable[[], None]) -> bool:
        """Store the batch with the offsets of its files, and begin the next one.

        `pump` is called between the transactions. Return whether anything was stored. Raises
        StoreError, and OffsetConflict if another process has also read one of the files.
        """
        due, self._round.due = self._round.due, set()
        if self._batch.is_empty and not due:
            return False
        now = self._clock()
        updates = [file.offset_update(now) for file in due]
        for _ in self._batch.store(self._store, self._report, updates):
            pump()
        for file in due:
            file.stored = file.decoded.offset
        self._begin()
        return True

"""Ingesting: the blocks of sources, decoded, into the store; returns a report."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from behavstats.errors import SourceError
from behavstats.events import Rejection, decode_block
from behavstats.sources import Source, open_source
from behavstats.store import Store

_EXAMPLES = 5


@dataclass(slots=True)
class Report:
    """What an ingest did. `read` lines are `added`, `duplicates` or `rejected` (by reason)."""

    added: int = 0
    duplicates: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    examples: list[Rejection] = field(default_factory=list)
    failures: list[SourceError] = field(default_factory=list)
    seconds: float = 0.0
    interrupted: bool = False

    @property
    def read(self) -> int:
        """How many lines were read, blank ones apart."""
        return self.added + self.duplicates + self.rejected.total()


def ingest(
    paths: Iterable[str],
    store: Store,
    clock: Callable[[], int],
    on_progress: Callable[[Source, Report], None] = lambda _source, _report: None,
) -> Report:
    """Ingest files (`-`: standard input), a transaction for each block of lines.

    `clock` returns ms since the epoch. A source that cannot be read is noted in the report, and
    the next one follows; Ctrl-C ends after what is stored, and is noted, too. StoreError is raised.
    """
    report = Report()
    start = time.monotonic()

    def progress(source: Source) -> None:
        report.seconds = time.monotonic() - start
        on_progress(source, report)

    try:
        for path in paths:
            try:
                _ingest_source(path, store, clock, report, progress)
            except SourceError as error:
                report.failures.append(error)
    except KeyboardInterrupt:
        report.interrupted = True
    store.checkpoint()
    report.seconds = time.monotonic() - start
    return report


def _ingest_source(
    path: str,
    store: Store,
    clock: Callable[[], int],
    report: Report,
    progress: Callable[[Source], None],
) -> None:
    with open_source(path) as source:
        progress(source)
        for block in source.blocks():
            views, rejections = decode_block(block, clock())
            added = store.add(views, rejections)
            report.added += added
            report.duplicates += len(views) - added
            report.rejected.update(rejection.reason for rejection in rejections)
            report.examples += rejections[: _EXAMPLES - len(report.examples)]
            progress(source)

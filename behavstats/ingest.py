"""Ingesting: the blocks of sources, decoded, into the store; returns a report."""

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field

from behavstats.ahead import Ahead
from behavstats.columns import Decoded, Gathering
from behavstats.errors import SourceError
from behavstats.events import Block, Rejection
from behavstats.second import SecondProcess
from behavstats.sources import Source, open_source
from behavstats.store import Store

_EXAMPLES = 5

# A batch ends where it reaches one of these. The larger it is, the fewer pages of the store it
# touches for each page view.
_MOST_VIEWS = 1_000_000
_MOST_BYTES = 28 * 1024 * 1024  # of memory, roughly


@dataclass(slots=True)
class Report:
    """What an ingest did.

    `read` lines are `added`, `duplicates`, `others` (messages that are no page views, by kind) or
    `rejected` (by reason).
    """

    added: int = 0
    duplicates: int = 0
    others: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    examples: list[Rejection] = field(default_factory=list)
    failures: list[SourceError] = field(default_factory=list)
    seconds: float = 0.0
    interrupted: bool = False

    @property
    def read(self) -> int:
        """How many lines were read and dealt with, blank ones apart."""
        return self.added + self.duplicates + self.others.total() + self.rejected.total()


def ingest(
    paths: Iterable[str],
    store: Store,
    clock: Callable[[], int],
    on_progress: Callable[[Source, Report], None] = lambda _source, _report: None,
    second: SecondProcess | None = None,
) -> Report:
    """Ingest files (`-`: standard input), in large batches that may hold several of them.

    `clock` returns ms since the epoch. A source that cannot be read is noted in the report, and
    the next one follows; Ctrl-C ends after what is stored, and is noted, too. StoreError is raised.
    `second` decodes, too, and is ended then; a large source has one started.
    """
    report = Report()
    start = time.monotonic()
    reached: Source | None = None

    def progress(source: Source | None = None) -> None:
        nonlocal reached
        reached = source or reached
        report.seconds = time.monotonic() - start
        if reached is not None:
            on_progress(reached, report)

    try:
        with (
            closing(_blocks(paths, report, progress)) as blocks,
            second or SecondProcess() as other,
        ):
            decoded = Ahead(blocks, clock, other)
            for batch in _batches(decoded):
                for _ in _stored(store, batch, report):
                    progress()
                    decoded.feed()
    except KeyboardInterrupt:
        report.interrupted = True
    store.checkpoint()
    report.seconds = time.monotonic() - start
    return report


def _blocks(
    paths: Iterable[str], report: Report, progress: Callable[[Source], None]
) -> Generator[Block, None, None]:
    """Yield the blocks of all sources, noting those that cannot be read."""
    for path in paths:
        try:
            with open_source(path) as source:
                progress(source)
                for block in source.blocks():
                    yield block
                    progress(source)
        except SourceError as error:
            report.failures.append(error)


def _batches(decoded: Iterable[Decoded]) -> Iterator[Decoded]:
    """Join what was decoded of some blocks, and maybe of several sources."""
    views, rejections, others, rejected = Gathering(), list[Rejection](), Counter[str](), 0
    for part, bad, more in decoded:
        views.add(part)
        rejections += bad
        others += more
        rejected += sum(rejection.size for rejection in bad)
        # A block without anything says that the source pauses: time to store what came.
        pauses = not (len(part) or bad or more)
        if len(views) >= _MOST_VIEWS or views.size + rejected >= _MOST_BYTES or pauses:
            yield Decoded(views.page_views(), rejections, others)
            views, rejections, others, rejected = Gathering(), [], Counter(), 0
    yield Decoded(views.page_views(), rejections, others)


def _stored(store: Store, batch: Decoded, report: Report) -> Iterator[None]:
    """Store a batch; yield after each part of it, which is counted then."""
    views, rejections, others = batch
    report.others += others
    if rejections:
        store.add([], rejections)
        report.rejected.update(rejection.reason for rejection in rejections)
        report.examples += rejections[: _EXAMPLES - len(report.examples)]
        yield
    for stored, added in store.load(views):
        report.added += added
        report.duplicates += stored - added
        yield
    store.settle()

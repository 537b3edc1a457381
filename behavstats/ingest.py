"""Ingesting: the blocks of sources, decoded, into the store; returns a report."""

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from behavstats.ahead import Ahead
from behavstats.columns import Decoded, Gathering
from behavstats.errors import BehavstatsError, SourceError, StoreError
from behavstats.events import Block, Rejection
from behavstats.second import SecondProcess
from behavstats.sources import Source, open_source
from behavstats.store import Step, Store

_EXAMPLES = 5

# A batch ends where it reaches one of these. The larger it is, the fewer pages of the store it
# touches for each page view.
_MOST_VIEWS = 1_000_000
_MOST_BYTES = 28 * 1024 * 1024  # of memory, roughly


@dataclass(slots=True)
class Report:
    """What an ingest did.

    `read` lines are `added`, `duplicates`, `others` (messages that are no page views, by kind) or
    `rejected` (by reason); all of that is stored. `failures` are sources that could not be read,
    and last what the store could not do, if that ended it.
    """

    added: int = 0
    duplicates: int = 0
    others: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    examples: list[Rejection] = field(default_factory=list)
    failures: list[BehavstatsError] = field(default_factory=list)
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
    the next one follows. Ctrl-C, or a store that fails, ends it after what is stored, and is noted,
    too.
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
            closing(_blocks(paths, store, report, progress)) as blocks,
            second or SecondProcess() as other,
        ):
            decoded = Ahead(blocks, clock, other)
            for batch in _batches(decoded):
                for _ in batch.store(store, report):
                    progress()
                    decoded.feed()
                store.settle()
        store.checkpoint()
    except KeyboardInterrupt:
        report.interrupted = True
        store.stop_waiting()  # another process may have it for long, and we only have to close it
    except StoreError as error:
        report.failures.append(error.with_traceback(None))  # which holds what was to be stored
        store.stop_waiting()
    report.seconds = time.monotonic() - start
    return report


def _blocks(
    paths: Iterable[str], store: Store, report: Report, progress: Callable[[Source], None]
) -> Generator[Block, None, None]:
    """Yield the blocks of all sources, noting those that cannot be read."""
    for path in paths:
        try:
            store.check_not_of(path)
            with open_source(path) as source:
                progress(source)
                for block in source.blocks():
                    yield block
                    progress(source)
        except SourceError as error:
            report.failures.append(error)


def _batches(decoded: Iterable[Decoded]) -> Iterator["Batch"]:
    """Join what was decoded of some blocks, and maybe of several sources."""
    batch = Batch()
    for part in decoded:
        batch.add(part)
        # A block without anything says that the source pauses: time to store what came.
        pauses = not (len(part.views) or part.rejections or part.others)
        if batch.is_full or pauses:
            yield batch
            batch = Batch()
    yield batch


class Batch:
    """What was decoded of some blocks, to be stored together."""

    def __init__(self) -> None:
        """At first, there is nothing in it."""
        self._views = Gathering()
        self._rejections: list[Rejection] = []
        self._rejected = 0  # bytes, roughly
        self._others = Counter[str]()

    def add(self, part: Decoded) -> None:
        """Add what a block was decoded to."""
        self._views.add(part.views)
        self._rejections += part.rejections
        self._rejected += sum(rejection.size for rejection in part.rejections)
        self._others += part.others

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it to be stored or counted."""
        return not (len(self._views) or self._rejections or self._others)

    @property
    def is_full(self) -> bool:
        """Whether it should be stored now; a larger one would take too much memory."""
        size = self._views.size + self._rejected
        return len(self._views) >= _MOST_VIEWS or size >= _MOST_BYTES

    def store(self, store: Store, report: Report, steps: Sequence[Step] = ()) -> Iterator[None]:
        """Store it; yield after each part of it, which is counted then.

        The last transaction holds the rejected lines and the `steps` of the files it comes from.
        """
        rejections = self._rejections
        for stored, added in store.load(self._views.page_views(), rejections, steps):
            report.added += added
            report.duplicates += stored - added
            yield
        report.others += self._others
        report.rejected.update(rejection.reason for rejection in rejections)
        report.examples += rejections[: _EXAMPLES - len(report.examples)]
        yield

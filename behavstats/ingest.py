"""Ingesting: the blocks of sources, decoded, into the store; returns a report."""

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from behavstats.ahead import Ahead
from behavstats.decode.vectorized import Decoded
from behavstats.errors import BehavstatsError, SourceError, StoreError, detached
from behavstats.hopeless import until_hopeless
from behavstats.model.columns import Gathering
from behavstats.model.line_block import Block
from behavstats.model.page_view import Rejection
from behavstats.second import SecondProcess
from behavstats.sources.files import Source, open_source
from behavstats.store import Step, Store

_EXAMPLES = 5

# A batch ends where it reaches one of these. The larger it is, the fewer pages of the store it
# touches for each page view.
_MOST_VIEWS = 1_000_000
_MOST_BYTES = 28 * 1024 * 1024  # of memory, roughly


class Options(NamedTuple):
    """How an ingest goes on where lines are rejected.

    With `force`, also in a source whose first lines all are; until `most_rejects` are, where that
    is given. `second` decodes, too, and is ended then; else, a large source has one started.
    """

    force: bool = False
    most_rejects: int | None = None
    second: SecondProcess | None = None


@dataclass(slots=True)
class Report:
    """What an ingest did.

    `read` lines are `added`, `duplicates`, `others` (messages that are no page views, by kind) or
    `rejected` (by reason); all of that is stored. `left_out` were neither: page views, and lines,
    of users who were erased, in files that are taken anew. `failures` are sources that could not
    be read, and last what the store could not do, if that ended it.
    """

    added: int = 0
    duplicates: int = 0
    others: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    examples: list[Rejection] = field(default_factory=list)
    failures: list[BehavstatsError] = field(default_factory=list)
    left_out: int = 0
    seconds: float = 0.0
    interrupted: bool = False

    @property
    def read(self) -> int:
        """How many lines were read and dealt with, blank ones apart."""
        return self.added + self.duplicates + self.others.total() + self.rejected.total()

    def note_rejected(self, rejections: Sequence[Rejection]) -> None:
        """Count rejected lines; the first of all are examples."""
        self.rejected.update(rejection.reason for rejection in rejections)
        self.examples += rejections[: _EXAMPLES - len(self.examples)]

    def values(self, *, is_stored: bool) -> dict[str, object]:
        """Return the report as values that JSON has; what is not stored has no duplicates."""
        stored = {"added": self.added, "duplicates": self.duplicates}
        return {
            "read": self.read,
            **(stored if is_stored else {"page_views": self.added}),
            "dry_run": not is_stored,
            "others": dict(self.others),
            "rejected": dict(self.rejected),
            "failures": [*map(str, self.failures)],
            "seconds": round(self.seconds, 3),
            "interrupted": self.interrupted,
        }


_USUAL = Options()


def ingest(
    paths: Iterable[str],
    store: Store,
    clock: Callable[[], int],
    on_progress: Callable[[Source, Report], None] = lambda _source, _report: None,
    options: Options = _USUAL,
) -> Report:
    """Ingest files (`-`: standard input), in large batches that may hold several of them.

    `clock` returns ms since the epoch. A source that cannot be read is noted in the report, and
    the next one follows. Ctrl-C, or a store that fails, ends it after what is stored, and is noted,
    too.
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

    others = _apart_from(store, paths, report)
    read = partial(_read, options)
    try:
        with (
            closing(_blocks(others, report, progress, read)) as blocks,
            options.second or SecondProcess() as other,
        ):
            decoded = Ahead(blocks, clock, other)
            for batch in _batches(_up_to(decoded, report, options)):
                for _ in batch.store(store, report):
                    progress()
                    decoded.feed()
                store.settle()
        store.checkpoint()
    except KeyboardInterrupt:
        report.interrupted = True
        store.stop_waiting()  # another process may have it for long, and we only have to close it
    except StoreError as error:
        report.failures.append(detached(error))
        store.stop_waiting()
    report.seconds = time.monotonic() - start
    return report


def try_out(paths: Iterable[str], clock: Callable[[], int], options: Options = _USUAL) -> Report:
    """Decode files as `ingest` does and report on them, but store nothing.

    What is `added` are page views; nobody can say which of them are duplicates.
    """
    report = Report()
    start = time.monotonic()
    read = partial(_read, options)
    try:
        with (
            closing(_blocks(paths, report, lambda _: None, read)) as blocks,
            SecondProcess() as second,
        ):
            for part in _up_to(Ahead(blocks, clock, second), report, options):
                report.added += len(part.views) + len(part.views.dated)
                report.others += part.others
                report.note_rejected(part.rejections)
    except KeyboardInterrupt:
        report.interrupted = True
    report.seconds = time.monotonic() - start
    return report


def _apart_from(store: Store, paths: Iterable[str], report: Report) -> Iterator[str]:
    """Yield the paths that do not lead to the store's own files, noting the others."""
    for path in paths:
        try:
            store.check_not_of(path)
        except SourceError as error:
            report.failures.append(error)
        else:
            yield path


def _read(options: Options, source: Source) -> Iterator[Block]:
    """Yield the blocks of a source, of a hopeless one the first."""
    blocks = source.blocks()
    return blocks if options.force else until_hopeless(source.name, blocks)


def _blocks(
    paths: Iterable[str],
    report: Report,
    progress: Callable[[Source], None],
    read: Callable[[Source], Iterator[Block]],
) -> Generator[Block, None, None]:
    """Yield the blocks of all sources, noting those that cannot be read."""
    for path in paths:
        try:
            with open_source(path) as source:
                progress(source)
                for block in read(source):
                    yield block
                    progress(source)
        except SourceError as error:
            report.failures.append(detached(error))


def _up_to(decoded: Iterable[Decoded], report: Report, options: Options) -> Iterator[Decoded]:
    """Yield what was decoded, until as many lines are rejected as may be; that is noted."""
    left = options.most_rejects
    for part in decoded:
        if left is not None and len(part.rejections) >= left:
            yield part._replace(rejections=part.rejections[:left])
            message = (
                f"stopped after {options.most_rejects:,} rejected lines, as --max-rejects says"
            )
            report.failures.append(SourceError(message))
            return
        yield part
        if left is not None:
            left -= len(part.rejections)


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
        return not (self._views.size or self._rejections or self._others)

    @property
    def is_full(self) -> bool:
        """Whether it should be stored now; a larger one would take too much memory."""
        size = self._views.size + self._rejected
        return len(self._views) >= _MOST_VIEWS or size >= _MOST_BYTES

    def store(self, store: Store, report: Report, steps: Sequence[Step] = ()) -> Iterator[None]:
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
        report.others += self._others
        report.note_rejected(rejections)
        yield

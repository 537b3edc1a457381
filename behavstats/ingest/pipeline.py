"""Ingest sources: read blocks of lines, decode them, store them in batches, and report."""

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from typing import NamedTuple

from behavstats.decode.vectorized import Decoded
from behavstats.errors import SourceError, StoreError, detached
from behavstats.ingest.batch import Batch
from behavstats.ingest.decode_process import DecodeProcess
from behavstats.ingest.early_stop import stop_early
from behavstats.ingest.prefetch import Prefetcher
from behavstats.ingest.report import Report
from behavstats.model.line_block import Block
from behavstats.sources.files import Source, open_source
from behavstats.store import Store, is_among


class Options(NamedTuple):
    """How to ingest.

    `force` reads a source to its end even if its first lines are all rejected. `most_rejects` is
    the number of rejected lines at which the ingest stops. `decode_process` helps to decode, and is
    stopped at the end; if it is None, the ingest starts one for a large source.
    """

    force: bool = False
    most_rejects: int | None = None
    decode_process: DecodeProcess | None = None


_DEFAULTS = Options()
OnProgress = Callable[[Source, Report], None]


def ingest(
    paths: Iterable[str],
    store: Store,
    clock: Callable[[], int],
    on_progress: OnProgress = lambda _source, _report: None,
    options: Options = _DEFAULTS,
) -> Report:
    """Ingest files (`-` is standard input) in large batches, which may hold several files.

    `clock` returns ms since the epoch. If a source cannot be read, the ingest reports this and
    continues with the next source. Ctrl-C or an error of the store ends the ingest, which the
    report also says; page views that were stored before stay.
    """
    report = Report()
    progress = _Progress(report, on_progress)
    foreign = _without_own_files(store, paths, report)
    try:
        with (
            closing(_blocks(foreign, report, progress.update, options)) as blocks,
            options.decode_process or DecodeProcess() as decode_process,
        ):
            decoded = Prefetcher(blocks, clock, decode_process)
            parts = (part for part, _ in decoded)
            for batch in _batches(_until_most_rejects(parts, report, options)):
                for _ in batch.store(store, report):
                    progress.update()
                    decoded.pump()
                store.refresh_rollups()
        store.maintain()
    except KeyboardInterrupt:
        report.interrupted = True
        store.wait_at_most(0)  # do not wait for the lock: all that is left is to close the store
    except StoreError as error:
        report.failures.append(detached(error))
        store.wait_at_most(0)
    progress.measure()
    return report


def try_out(paths: Iterable[str], clock: Callable[[], int], options: Options = _DEFAULTS) -> Report:
    """Decode files as `ingest` does and report on them, but store nothing.

    `added` counts all page views, since only a store can tell which of them are duplicates.
    """
    report = Report()
    progress = _Progress(report, lambda _source, _report: None)
    try:
        with (
            closing(_blocks(paths, report, progress.update, options)) as blocks,
            DecodeProcess() as decode_process,
        ):
            decoded = (part for part, _ in Prefetcher(blocks, clock, decode_process))
            for part in _until_most_rejects(decoded, report, options):
                report.added += len(part.views) + len(part.views.dated)
                report.non_page_messages += part.non_page_messages
                report.note_rejected(part.rejections)
    except KeyboardInterrupt:
        report.interrupted = True
    progress.measure()
    return report


class _Progress:
    """Measures the time of an ingest, and calls back with the source that is being read."""

    def __init__(self, report: Report, on_progress: OnProgress) -> None:
        self._report = report
        self._on_progress = on_progress
        self._start = time.monotonic()
        self._source: Source | None = None

    def update(self, source: Source | None = None) -> None:
        """Measure the time and call back with `source`, or with the source of the last call."""
        self._source = source or self._source
        self.measure()
        if self._source is not None:
            self._on_progress(self._source, self._report)

    def measure(self) -> None:
        """Write the seconds since the start to the report."""
        self._report.seconds = time.monotonic() - self._start


def _without_own_files(store: Store, paths: Iterable[str], report: Report) -> Iterator[str]:
    """Yield the paths that are not the store's own files; report the store's own as failures."""
    for path in paths:
        if is_among(store.files(), path):
            report.failures.append(SourceError(f"{path}: belongs to the store itself"))
        else:
            yield path


def _blocks(
    paths: Iterable[str],
    report: Report,
    on_source: Callable[[Source], None],
    options: Options,
) -> Generator[tuple[Block, Source], None, None]:
    """Yield the blocks of all sources, each with its source; failures go to the report."""
    for path in paths:
        try:
            with open_source(path) as source:
                on_source(source)
                blocks = source.blocks()
                for block in blocks if options.force else stop_early(source.name, blocks):
                    yield block, source
                    on_source(source)
        except SourceError as error:
            report.failures.append(detached(error))


def _until_most_rejects(
    decoded: Iterable[Decoded], report: Report, options: Options
) -> Iterator[Decoded]:
    """Yield decoded blocks until `most_rejects` lines are rejected, which is a failure."""
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


def _batches(decoded: Iterable[Decoded]) -> Iterator[Batch]:
    """Join decoded blocks to batches; a batch may have blocks of several sources."""
    batch = Batch()
    for part in decoded:
        batch.add(part)
        # An empty block means that the source pauses, so its lines should be stored now.
        pauses = not (len(part.views) or part.rejections or part.non_page_messages)
        if batch.is_full or pauses:
            yield batch
            batch = Batch()
    yield batch

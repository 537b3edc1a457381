"""Ingesting: the blocks of sources, decoded, into the store; returns a report."""

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from functools import partial
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
    """How an ingest goes on where lines are rejected.

    With `force`, also in a source whose first lines all are; until `most_rejects` are, where that
    is given. `second` decodes, too, and is ended then; else, a large source has one started.
    """

    force: bool = False
    most_rejects: int | None = None
    second: DecodeProcess | None = None


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
            options.second or DecodeProcess() as other,
        ):
            decoded = Prefetcher(blocks, clock, other)
            for batch in _batches(_up_to(decoded, report, options)):
                for _ in batch.store(store, report):
                    progress()
                    decoded.pump()
                store.refresh_rollups()
        store.maintain()
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
            DecodeProcess() as second,
        ):
            for part in _up_to(Prefetcher(blocks, clock, second), report, options):
                report.added += len(part.views) + len(part.views.dated)
                report.non_page_messages += part.non_page_messages
                report.note_rejected(part.rejections)
    except KeyboardInterrupt:
        report.interrupted = True
    report.seconds = time.monotonic() - start
    return report


def _apart_from(store: Store, paths: Iterable[str], report: Report) -> Iterator[str]:
    """Yield the paths that do not lead to the store's own files, noting the others."""
    for path in paths:
        if is_among(store.files(), path):
            report.failures.append(SourceError(f"{path}: belongs to the store itself"))
        else:
            yield path


def _read(options: Options, source: Source) -> Iterator[Block]:
    """Yield the blocks of a source, of a hopeless one the first."""
    blocks = source.blocks()
    return blocks if options.force else stop_early(source.name, blocks)


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
        pauses = not (len(part.views) or part.rejections or part.non_page_messages)
        if batch.is_full or pauses:
            yield batch
            batch = Batch()
    yield batch

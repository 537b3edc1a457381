"""Commands that bring page views in, and show what could not be read."""

import gc
import sys
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from behavstats.commands.common import (
    DEFAULT_DB,
    Database,
    app,
    complain,
    existing_store,
    exit_code,
    say_that_it_waits,
    told_at_least,
    write,
)
from behavstats.errors import InvalidInput, SourceError
from behavstats.settings import Settings

if TYPE_CHECKING:
    from behavstats.store import Store

_LARGE = 16 * 1024 * 1024  # bytes to ingest
_LISTED = 1_000  # rejected lines in the table


@app.command(epilog="Example: behavstats ingest events.jsonl more.jsonl.gz")
def ingest(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="JSON lines, also .gz, .zst; or -.")
    ],
    db: Database = DEFAULT_DB,
) -> None:
    """Read page views from files, or from standard input, into the store."""
    from behavstats.second import SecondProcess

    size = _size_of_all(files)
    second = SecondProcess()
    if size is not None and size >= _LARGE:
        second.start()  # before imports that take as long as its own
    from behavstats import display
    from behavstats.ingest import ingest
    from behavstats.store import Store

    gc.disable()  # nothing here makes cycles, and looking for them takes 2 % of the time
    settings = Settings(db)
    with (
        second,
        Store.create(settings.db, settings.patience, say_that_it_waits) as store,
        display.IngestProgress(display.console(sys.stderr), size) as progress,
    ):
        report = ingest(files, store, settings.clock, progress.update, second)
    with told_at_least(display.report_line(report)):
        display.console(sys.stdout).print(display.report_table(report))
    complain(*map(display.rejection_line, report.examples))
    if report.rejected.total() > len(report.examples):
        complain("more lines were rejected: behavstats rejects lists them")
    complain(*report.failures)
    if report.interrupted:
        complain("interrupted; what is counted above is stored, and running it again goes on")
    raise typer.Exit(exit_code(report))


@app.command(epilog="Example: behavstats rejects --jsonl > to-repair.jsonl")
def rejects(
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="Print the lines as they came, to repair and ingest.")
    ] = False,
    clear: Annotated[bool, typer.Option("--clear", help="Empty the list.")] = False,
    db: Database = DEFAULT_DB,
) -> None:
    """List the lines that ingest rejected, and why."""
    from behavstats import display

    if jsonl and clear:
        raise InvalidInput("conflicting_options", "--jsonl and --clear do not go together")
    with existing_store(Settings(db)) as store:
        if clear:
            print(f"{store.clear_rejections():,} rejected lines deleted")
        elif jsonl:
            _print_rejected_lines(store)
        else:
            out, count = display.console(sys.stdout), store.count_rejections()
            out.print(display.rejections_table(islice(store.rejections(), _LISTED)))
            if count > _LISTED:
                out.print(f"and {count - _LISTED:,} more, which --jsonl prints")


def _size_of_all(files: list[str]) -> int | None:
    """Return the bytes of all files that can be opened, or None if one has no size.

    Raises SourceError if none can: then there is nothing to make a store for.
    """
    from behavstats.sources import size_of

    sizes, problems = [], []
    for file in files:
        try:
            sizes.append(size_of(file))
        except SourceError as error:
            problems.append(error)
    if not sizes:
        raise SourceError("; ".join(map(str, problems)))
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None


def _print_rejected_lines(store: "Store") -> None:
    for rejection in store.rejections():
        if rejection.length > len(rejection.text):
            complain(
                f"not printed, since only its beginning is kept: {rejection.source}, "
                f"line {rejection.line}, byte {rejection.offset}, {rejection.length:,} bytes long"
            )
        else:
            write(rejection.text + b"\n")

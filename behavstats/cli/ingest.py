"""The command that loads page views."""

import gc
import math
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from behavstats.cli.common import (
    DEFAULT_DB,
    Database,
    Json,
    app,
    created_store,
    exit_code,
    outcome_kept,
    print_error,
    print_json,
    rejects_command,
    store_options,
)
from behavstats.clock import system_clock
from behavstats.config import StoreOptions
from behavstats.errors import SourceError

if TYPE_CHECKING:
    from behavstats.ingest.pipeline import Options
    from behavstats.ingest.report import Report

_LARGE = 16 * 1024 * 1024  # bytes to ingest; from this size on, a decode process saves time

_Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...",
        help="Files of JSON lines, plain or compressed (.gz, .zst); - is standard input.",
    ),
]
_Force = Annotated[
    bool,
    typer.Option("--force", help="Continue even if the first 1,000 lines are all rejected."),
]
_MaxRejects = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Stop after N rejected lines.")
]
_DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Report what the files contain, but store nothing.")
]


@app.command(epilog="Example: behavstats ingest events.jsonl more.jsonl.gz")
def ingest(
    files: _Files,
    force: _Force = False,
    max_rejects: _MaxRejects = None,
    dry_run: _DryRun = False,
    json: Json = False,
    db: Database = DEFAULT_DB,
) -> None:
    """Load page views from files, or from standard input, into the store."""
    from behavstats.ingest.decode_process import DecodeProcess

    size = _size_of_all(files)
    decode_process = DecodeProcess()
    if size is not None and size >= _LARGE:
        decode_process.start()  # it imports its modules while this process imports its own
    from behavstats.ingest.pipeline import Options, try_out

    gc.disable()  # nothing here makes reference cycles, and looking for them costs 2 % of the time
    options = Options(force, max_rejects, decode_process)
    if dry_run:
        with decode_process:
            report = try_out(files, system_clock, options)
    else:
        report = _ingest(files, store_options(db), options, size)
    _print_report(report, db, dry_run=dry_run, as_json=json)
    raise typer.Exit(exit_code(report))


def _ingest(
    files: list[str], store_options: StoreOptions, options: "Options", size: int | None
) -> "Report":
    from behavstats.cli.render.console import console
    from behavstats.cli.render.reports import IngestProgress
    from behavstats.ingest.pipeline import ingest

    with (
        options.decode_process or nullcontext(),
        created_store(store_options) as store,
        IngestProgress(console(sys.stderr), size) as progress,
    ):
        report = ingest(files, store, system_clock, progress.update, options)
        if not report.interrupted:
            store.rejected.trim(system_clock(), seconds=math.inf)
    return report


def _print_report(report: "Report", db: Path, *, dry_run: bool, as_json: bool) -> None:
    from behavstats.cli.render import reports
    from behavstats.cli.render.console import console

    if as_json:
        print_json(report.values(is_stored=not dry_run))
    else:
        table = reports.report_table(report, is_stored=not dry_run)
        with outcome_kept(reports.report_line(report)):
            console(sys.stdout).print(table)
    print_error(*map(reports.rejection_line, report.examples))
    if report.rejected and not dry_run:
        print_error(f"rejected lines are kept; list them with: {rejects_command(db)}")
    print_error(*report.failures)
    if report.interrupted:
        print_error(
            "interrupted: the lines counted above are stored; run the command again for the rest"
        )
    if dry_run:
        print_error("this was a dry run: nothing was stored")


def _size_of_all(files: list[str]) -> int | None:
    """Return the size in bytes of all files that can be opened, or None if one has no size.

    Raises SourceError if no file can be opened, before a store is created for nothing.
    """
    from behavstats.sources.files import size_of

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

"""Commands that bring page views in, and show what could not be read."""

import gc
import math
import os
import sys
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING, Annotated

import typer

from behavstats.cli.common import (
    DEFAULT_DB,
    Database,
    Json,
    app,
    existing_store,
    exit_code,
    print_error,
    print_json,
    say_that_it_waits,
    told_at_least,
    write,
)
from behavstats.config import Settings, bounds_of
from behavstats.errors import InvalidInput, SourceError

if TYPE_CHECKING:
    from behavstats.ingest.pipeline import Options
    from behavstats.ingest.report import Report
    from behavstats.store import Selection, Store

_LARGE = 16 * 1024 * 1024  # bytes to ingest
_LISTED = 100  # rejected lines below the summary


@app.command(epilog="Example: behavstats ingest events.jsonl more.jsonl.gz")
def ingest(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="JSON lines, also .gz, .zst; or -.")
    ],
    force: Annotated[
        bool, typer.Option("--force", help="Read on where the first 1,000 lines are all rejected.")
    ] = False,
    max_rejects: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Stop once so many lines are rejected."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Report what is in the files, and store nothing.")
    ] = False,
    json: Json = False,
    db: Database = DEFAULT_DB,
) -> None:
    """Read page views from files, or from standard input, into the store."""
    from behavstats.ingest.decode_process import DecodeProcess

    size = _size_of_all(files)
    second = DecodeProcess()
    if size is not None and size >= _LARGE:
        second.start()  # before imports that take as long as its own
    from behavstats.ingest.pipeline import Options, try_out

    gc.disable()  # nothing here makes cycles, and looking for them takes 2 % of the time
    settings, options = Settings(db), Options(force, max_rejects, second)
    if dry_run:
        with second:
            report = try_out(files, settings.clock, options)
    else:
        report = _ingest(files, settings, options, size)
    _print_report(report, db, dry_run=dry_run, as_json=json)
    raise typer.Exit(exit_code(report))


def _ingest(files: list[str], settings: Settings, options: "Options", size: int | None) -> "Report":
    from behavstats.cli import render
    from behavstats.ingest.pipeline import ingest
    from behavstats.store import create_store

    bounds = bounds_of()
    with (
        options.second or nullcontext(),
        create_store(settings.db, settings.lock_timeout, say_that_it_waits, bounds) as store,
        render.IngestProgress(render.console(sys.stderr), size) as progress,
    ):
        report = ingest(files, store, settings.clock, progress.update, options)
        if not report.interrupted:
            store.rejected.trim(settings.clock(), seconds=math.inf)
    return report


def _print_report(report: "Report", db: Path, *, dry_run: bool, as_json: bool) -> None:
    from behavstats.cli import render

    if as_json:
        print_json(report.values(is_stored=not dry_run))
    else:
        table = render.report_table(report, is_stored=not dry_run)
        with told_at_least(render.report_line(report)):
            render.console(sys.stdout).print(table)
    print_error(*map(render.rejection_line, report.examples))
    if report.rejected and not dry_run:
        listing = join(["behavstats", "rejects", *_given(db)])
        print_error(f"rejected lines are kept: {listing} lists them")
    print_error(*report.failures)
    if report.interrupted:
        print_error("interrupted; what is counted above is stored, and running it again goes on")
    if dry_run:
        print_error("nothing was stored, since this was a dry run")


@app.command(epilog="Example: behavstats rejects --jsonl > to-repair.jsonl")
def rejects(
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="Print the lines as they came, to repair and ingest.")
    ] = False,
    clear: Annotated[
        bool, typer.Option("--clear", help="Delete lines; needs --up-to or --all.")
    ] = False,
    up_to: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="Up to this number, which --jsonl ends with."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every line, also one that was never printed.")
    ] = False,
    source: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only lines of this source.")
    ] = None,
    reason: Annotated[
        str | None, typer.Option(metavar="REASON", help="Only lines rejected for this reason.")
    ] = None,
    json: Json = False,
    db: Database = DEFAULT_DB,
) -> None:
    """List the rejected lines, print them for repair, clear the list."""
    _check_options(jsonl, clear, json, up_to, everything)
    from behavstats.sources.files import stored_name
    from behavstats.store import Selection

    chosen = Selection(source, None if source is None else stored_name(source), reason)
    with existing_store(Settings(db)) as store:
        if clear:
            count = store.clear_rejections(chosen, up_to, whole=everything)
            left = store.rejected.totals().lines
            print(f"{count:,} rejected lines deleted, {left:,} left")
        elif jsonl:
            _print_rejected_lines(store, chosen, db)
        else:
            _print_summary(store, chosen, as_json=json)


def _check_options(
    jsonl: bool, clear: bool, as_json: bool, up_to: int | None, everything: bool
) -> None:
    """Raise InvalidInput for options that do not go together."""
    if jsonl + clear + as_json > 1:
        message = "of --jsonl, --clear and --json, only one can be given"
        raise InvalidInput("conflicting_options", message)
    limits = (up_to is not None) + everything
    if clear and limits != 1:
        message = (
            "--clear needs either --up-to N, the number that --jsonl ends with, so that nothing is "
            "lost that came later; or --all, which also deletes what was never printed"
        )
        raise InvalidInput("conflicting_options", message)
    if limits and not clear:
        raise InvalidInput("conflicting_options", "--up-to and --all go with --clear")


def _print_summary(store: "Store", chosen: "Selection", *, as_json: bool) -> None:
    from behavstats.cli import render

    totals, groups = store.rejected.totals(), store.rejected.groups(chosen)
    if not groups and (chosen.source or chosen.reason):
        print_error("no rejected line is of this source and reason")
    bounds = bounds_of()
    if as_json:
        print_json(render.rejects_values(totals, bounds, groups))
        return
    out = render.console(sys.stdout)
    for line in render.rejects_summary(totals, bounds, groups):
        out.print(line)
    for number, rejection in islice(store.rejected.read(chosen), _LISTED):
        out.print()
        for line in render.rejection_lines(number, rejection):
            out.print(line)
    more = sum(group.lines for group in groups) - _LISTED
    if more > 0:
        out.print(f"\nand {more:,} more, which --jsonl prints")


def _size_of_all(files: list[str]) -> int | None:
    """Return the bytes of all files that can be opened, or None if one has no size.

    Raises SourceError if none can: then there is nothing to make a store for.
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


def _print_rejected_lines(store: "Store", chosen: "Selection", db: Path) -> None:
    """Print the lines, and then up to which number, and how they are cleared."""
    from behavstats.cli.rejects_export import exported

    last, cut = 0, 0
    for number, rejection in store.rejected.read(chosen):
        line = exported(rejection)
        if line is None:
            cut += 1
            print_error(
                f"not printed, since only its beginning is kept: {rejection.source}, "
                f"line {rejection.line}, byte {rejection.offset}, {rejection.length:,} bytes long"
            )
        else:
            last = number
            write(line + b"\n")
    if last:
        command = ["behavstats", "rejects", "--clear", "--up-to", str(last)]
        options = {"--source": chosen.source, "--reason": chosen.reason}
        command += [text for option in options.items() if option[1] for text in option if text]
        command += _given(db)
        print_error(f"exported up to {last}; once they are ingested, clear them: {join(command)}")
    if cut:
        print_error(f"lines that were not printed: {cut:,}; only --clear with --all deletes them")


def _given(db: Path) -> list[str]:
    """Return the option for the store's path, if it has to be given."""
    usual = (str(DEFAULT_DB), os.environ.get("BEHAVSTATS_DB"))
    return [] if str(db) in usual else ["--db", str(db)]

"""The command that lists, exports and clears the rejected lines."""

import sys
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
    db_option,
    existing_store,
    print_error,
    print_json,
    store_options,
    write,
)
from behavstats.errors import InvalidInput

if TYPE_CHECKING:
    from behavstats.model.retention import Bounds
    from behavstats.store import Selection, Store

_LISTED = 100  # rejected lines below the summary


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
    options = store_options(db)
    with existing_store(options) as store:
        if clear:
            count = store.clear_rejections(chosen, up_to, whole=everything)
            left = store.count_rejections()
            print(f"{count:,} rejected lines deleted, {left:,} left")
        elif jsonl:
            _print_rejected_lines(store, chosen, db)
        else:
            _print_summary(store, chosen, options.bounds, as_json=json)


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


def _print_summary(store: "Store", chosen: "Selection", bounds: "Bounds", *, as_json: bool) -> None:
    from behavstats.cli.render import rejects as render

    totals, groups = store.rejected.totals(), store.rejected.groups(chosen)
    if not groups and (chosen.source or chosen.reason):
        print_error("no rejected line is of this source and reason")
    if as_json:
        print_json(render.rejects_values(totals, bounds, groups))
        return
    from behavstats.cli.render.console import console

    out = console(sys.stdout)
    for line in render.rejects_summary(totals, bounds, groups):
        out.print(line)
    for number, rejection in islice(store.rejected.read(chosen), _LISTED):
        out.print()
        for line in render.rejection_lines(number, rejection):
            out.print(line)
    more = sum(group.lines for group in groups) - _LISTED
    if more > 0:
        out.print(f"\nand {more:,} more, which --jsonl prints")


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
        command += db_option(db)
        print_error(f"exported up to {last}; once they are ingested, clear them: {join(command)}")
    if cut:
        print_error(f"lines that were not printed: {cut:,}; only --clear with --all deletes them")

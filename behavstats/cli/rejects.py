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
from behavstats.text import counted

if TYPE_CHECKING:
    from behavstats.model.retention import Bounds
    from behavstats.store import Selection, Store

_LISTED = 100  # rejected lines below the summary

_AsLines = Annotated[
    bool, typer.Option("--jsonl", help="Print the lines unchanged, to repair and ingest them.")
]
_Clear = Annotated[
    bool, typer.Option("--clear", help="Delete lines; needs either --up-to or --all.")
]
_UpTo = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=0,
        help="With --clear: delete up to line N, the number that --jsonl ends with.",
    ),
]
_All = Annotated[
    bool,
    typer.Option("--all", help="With --clear: delete all lines, even those never printed."),
]
_Source = Annotated[str | None, typer.Option(metavar="NAME", help="Only lines from this source.")]
_Reason = Annotated[
    str | None, typer.Option(metavar="REASON", help="Only lines rejected for this reason.")
]


@app.command(epilog="Example: behavstats rejects --jsonl > to-repair.jsonl")
def rejects(
    jsonl: _AsLines = False,
    clear: _Clear = False,
    up_to: _UpTo = None,
    everything: _All = False,
    source: _Source = None,
    reason: _Reason = None,
    json: Json = False,
    db: Database = DEFAULT_DB,
) -> None:
    """List rejected lines, print them for repair, or delete them."""
    _check_options(jsonl, clear, json, up_to, everything)
    from behavstats.sources.files import stored_name
    from behavstats.store import Selection

    selection = Selection(source, None if source is None else stored_name(source), reason)
    options = store_options(db)
    with existing_store(options) as store:
        if clear:
            count = store.rejected.clear(selection, up_to, whole=everything)
            left = store.rejected.totals().lines
            print(f"{counted(count, 'rejected line')} deleted, {left:,} left")
        elif jsonl:
            _print_rejected_lines(store, selection, db)
        else:
            _print_summary(store, selection, options.bounds, as_json=json)


def _check_options(
    jsonl: bool, clear: bool, as_json: bool, up_to: int | None, everything: bool
) -> None:
    """Raise InvalidInput for options that exclude each other."""
    if jsonl + clear + as_json > 1:
        message = "only one of --jsonl, --clear and --json can be given"
        raise InvalidInput("conflicting_options", message)
    limits = (up_to is not None) + everything
    if clear and limits != 1:
        message = (
            "--clear needs either --up-to N, with the number that --jsonl printed at its end, so "
            "that later lines are kept; or --all, which also deletes lines that were never printed"
        )
        raise InvalidInput("conflicting_options", message)
    if limits and not clear:
        raise InvalidInput("conflicting_options", "--up-to and --all can only follow --clear")


def _print_summary(
    store: "Store", selection: "Selection", bounds: "Bounds", *, as_json: bool
) -> None:
    from behavstats.cli.render import rejects as render

    totals, groups = store.rejected.totals(), store.rejected.groups(selection)
    if not groups and (selection.source or selection.reason):
        print_error("no rejected line has this source and reason")
    if as_json:
        print_json(render.rejects_values(totals, bounds, groups))
        return
    from behavstats.cli.render.console import console

    out = console(sys.stdout)
    for line in render.rejects_summary(totals, bounds, groups):
        out.print(line)
    for number, rejection in islice(store.rejected.read(selection), _LISTED):
        out.print()
        for line in render.rejection_lines(number, rejection):
            out.print(line)
    more = sum(group.lines for group in groups) - _LISTED
    if more > 0:
        out.print(f"\nand {more:,} more; --jsonl prints them all")


def _print_rejected_lines(store: "Store", selection: "Selection", db: Path) -> None:
    """Print the lines, then the number of the last one, and the command that clears them."""
    from behavstats.cli.rejects_export import exported

    last, truncated = 0, 0
    for number, rejection in store.rejected.read(selection):
        line = exported(rejection)
        if line is None:
            truncated += 1
            print_error(
                f"not printed, since only its beginning is kept: {rejection.source}, "
                f"line {rejection.line}, byte {rejection.offset}, {rejection.length:,} bytes long"
            )
        else:
            last = number
            write(line + b"\n")
    if last:
        command = ["behavstats", "rejects", "--clear", "--up-to", str(last)]
        options = {"--source": selection.source, "--reason": selection.reason}
        command += [text for option in options.items() if option[1] for text in option if text]
        command += db_option(db)
        print_error(f"exported up to {last}; once they are ingested, clear them: {join(command)}")
    if truncated:
        count = counted(truncated, "line")
        print_error(f"{count} not printed; only --clear --all deletes such lines")

"""What the commands share: the Typer application, exit codes, options, and a way to complain."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from behavstats.settings import Settings

if TYPE_CHECKING:
    from behavstats.ingest import Report
    from behavstats.store import Store

DONE, PARTLY, USAGE, UNUSABLE, INTERRUPTED = 0, 1, 2, 3, 130
"""The exit codes; README says what they stand for."""

app = typer.Typer(
    help="Page views in, exact behavioural profiles of users out, in real time.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

# A file that may not be read is an unusable store, as others are: not a usage error of Typer's.
Database = Annotated[
    Path,
    typer.Option(
        "--db", envvar="BEHAVSTATS_DB", metavar="PATH", help="The store's file.", readable=False
    ),
]
DEFAULT_DB = Path("behavstats.db")
User = Annotated[str, typer.Argument(metavar="USER", help="The user's id.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, on one line.")]


def existing_store(settings: Settings) -> "Store":
    """Open the store that is there; StoreError if there is none, or none that can be used."""
    from behavstats.store import Store

    return Store.open(settings.db, settings.patience, say_that_it_waits)


def say_that_it_waits() -> None:
    """Tell whoever wonders why nothing happens."""
    complain("waiting for another process that is writing to the store")


def exit_code(report: "Report") -> int:
    """Return the exit code of a command that took lines in."""
    if report.interrupted:
        return INTERRUPTED
    if report.failures:
        return UNUSABLE
    return PARTLY if report.rejected else DONE


def write(data: bytes) -> None:
    """Write bytes to standard output as they are, whatever the locale, and all of them."""
    rest = memoryview(data)
    while rest:  # with PYTHONUNBUFFERED, a write may take less than it is given
        rest = rest[sys.stdout.buffer.write(rest) :]
    sys.stdout.buffer.flush()


def print_json(value: object) -> None:
    """Print a value as JSON on one line, in UTF-8 whatever the locale.

    `value` consists of dicts, lists, texts, numbers, msgspec's structs and dataclasses; a named
    tuple would lose its names.
    """
    import msgspec

    write(msgspec.json.encode(value) + b"\n")


def complain(*complaints: object) -> None:
    """Say on standard error, a line for each, what went wrong."""
    try:
        for complaint in complaints:
            # One line for each, whatever is in a file's name; in one piece, since a log may be
            # written there as well.
            line = " ".join(str(complaint).splitlines())
            print(f"behavstats: {line}\n", end="", file=sys.stderr)
    except OSError:
        leave(sys.stderr)  # nobody can be told


def leave(stream: TextIO) -> None:
    """Let a stream lead nowhere, so that the interpreter does not fail again as it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

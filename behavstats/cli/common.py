"""What the commands share: the Typer application, exit codes, options, and a way to complain."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from behavstats import __version__
from behavstats.cli.help import Application, Group
from behavstats.config import Settings

if TYPE_CHECKING:
    from behavstats.ingest.report import Report
    from behavstats.store import Store

DONE, PARTLY, USAGE, UNUSABLE, INTERRUPTED = 0, 1, 2, 3, 130
"""The exit codes; README says what they stand for."""

app = Application(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(asked: bool) -> None:
    if asked:
        print(f"behavstats {__version__}")
        raise typer.Exit


# A file that may not be read is an unusable store, as others are: not a usage error of Typer's.
@app.callback()
def _program(
    db: Annotated[
        Path | None,
        typer.Option("--db", metavar="PATH", help="The store's file.", readable=False),
    ] = None,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Page views in, exact behavioural profiles of users out, in real time."""


def _given_db(context: typer.Context, parameter: typer.CallbackParam, path: Path) -> Path:
    """Return the store's path: the command's own option wins, then the program's."""
    source = context.get_parameter_source(str(parameter.name))
    if source is not None and source.name == "COMMANDLINE":
        return path
    return context.find_root().params.get("db") or path


Database = Annotated[
    Path,
    typer.Option(
        "--db",
        envvar="BEHAVSTATS_DB",
        metavar="PATH",
        callback=_given_db,
        help="The store's file.",
        readable=False,
    ),
]
DEFAULT_DB = Path("behavstats.db")
User = Annotated[str, typer.Argument(metavar="USER", help="The user's id.")]
Json = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]


def existing_store(settings: Settings) -> "Store":
    """Open the store that is there; StoreError if there is none, or none that can be used."""
    from behavstats.store import open_store

    return open_store(settings.db, settings.lock_timeout, say_that_it_waits)


def say_that_it_waits() -> None:
    """Tell whoever wonders why nothing happens."""
    print_error("waiting for another process that is writing to the store")


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


@contextmanager
def told_at_least(outcome: str) -> Iterator[None]:
    """Print what was done, inside; if standard output takes no more, complain and say it there.

    What was done stays done, and must not be taken for undone. Raises typer.Exit then.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:  # as `| head` does
        raise
    except OSError as error:
        leave(sys.stdout)
        print_error(f"{error.strerror or error} on standard output: {outcome}")
        raise typer.Exit(UNUSABLE) from None


def print_error(*complaints: object) -> None:
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

"""What the commands share: the application, exit codes, options, opening a store, output."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from behavstats import __version__
from behavstats.cli.help import Application, Group
from behavstats.config import StoreOptions, parse_bounds

if TYPE_CHECKING:
    from behavstats.ingest.report import Report
    from behavstats.store import Store

_DB_HELP = "The store, an SQLite file."
DONE, PARTLY, USAGE, UNUSABLE, INTERRUPTED = 0, 1, 2, 3, 130
"""The exit codes; README says what they mean."""

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


# readable=False: an unreadable store is reported like any unusable store, not as a usage error.
@app.callback()
def _program(
    db: Annotated[
        Path | None,
        typer.Option("--db", metavar="PATH", help=_DB_HELP, readable=False),
    ] = None,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Page views in, exact behavioural profiles of users out, in real time."""


def _given_db(context: typer.Context, parameter: typer.CallbackParam, path: Path) -> Path:
    """Return the path of the store: an option after the command overrides one before it."""
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
        help=_DB_HELP,
        readable=False,
    ),
]
DEFAULT_DB = Path("behavstats.db")
User = Annotated[str, typer.Argument(metavar="USER", help="The id of the user.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def store_options(db: Path, lock_timeout: float = 60.0) -> StoreOptions:
    """Return the options for a command that adds rejected lines to a store, or shows them.

    Raises InvalidInput if an environment variable sets a bound that is out of range.
    """
    return StoreOptions(db, lock_timeout, parse_bounds(os.environ))


def existing_store(options: StoreOptions) -> "Store":
    """Open an existing store; raise StoreError if it does not exist or cannot be used."""
    from behavstats.store import open_store

    return open_store(options.path, options.lock_timeout, print_waiting, options.bounds)


def created_store(options: StoreOptions) -> "Store":
    """Open a store, and create it first if it does not exist; raise StoreError if that fails."""
    from behavstats.store import create_store

    return create_store(options.path, options.lock_timeout, print_waiting, options.bounds)


def db_option(db: Path) -> list[str]:
    """Return the `--db` option of a command that a message suggests: empty if it is not needed."""
    default = os.environ.get("BEHAVSTATS_DB") or str(DEFAULT_DB)
    return [] if str(db) == default else ["--db", str(db)]


def rejects_command(db: Path) -> str:
    """Return the command that lists the rejected lines of a store."""
    return join(["behavstats", "rejects", *db_option(db)])


def print_waiting() -> None:
    """Tell the user that the command waits for another process."""
    print_error("waiting for another process that is writing to the store")


def exit_code(report: "Report") -> int:
    """Return the exit code of a command that ingested lines."""
    if report.interrupted:
        return INTERRUPTED
    if report.failures:
        return UNUSABLE
    return PARTLY if report.rejected else DONE


def write(data: bytes) -> None:
    """Write all of the bytes to standard output unchanged, whatever the locale."""
    rest = memoryview(data)
    while rest:  # with PYTHONUNBUFFERED, a single write may be incomplete
        rest = rest[sys.stdout.buffer.write(rest) :]
    sys.stdout.buffer.flush()


def print_json(value: object) -> None:
    """Print a value as JSON on one line, in UTF-8 whatever the locale.

    `value` consists of dicts, lists, strings, numbers, msgspec structs and dataclasses; a named
    tuple would lose its field names.
    """
    import msgspec

    write(msgspec.json.encode(value) + b"\n")


@contextmanager
def outcome_kept(outcome: str) -> Iterator[None]:
    """Print the outcome to standard error if printing inside `with` fails, and raise typer.Exit.

    Without this message, a user could believe that nothing was done.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` closes the pipe, which is not a failure
        raise
    except OSError as error:
        discard_output(sys.stdout)
        reason = error.strerror or error
        print_error(f"cannot write to standard output ({reason}), but this was done: {outcome}")
        raise typer.Exit(UNUSABLE) from None


def print_error(*messages: object) -> None:
    """Print each message to standard error, on a line of its own."""
    try:
        for message in messages:
            # A file's name may contain line breaks. Each line is written by one call, because the
            # log is written to standard error as well.
            line = " ".join(str(message).splitlines())
            print(f"behavstats: {line}\n", end="", file=sys.stderr)
    except OSError:
        discard_output(sys.stderr)  # there is no other place for the message


def discard_output(stream: TextIO) -> None:
    """Redirect a stream to the null device, so that the interpreter's last flush succeeds."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

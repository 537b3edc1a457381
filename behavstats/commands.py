"""The command line: options in, one call, a value shown; heavy imports in their commands."""

import gc
import os
import sys
from collections.abc import Iterator
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from behavstats.errors import (
    BehavstatsError,
    InvalidInput,
    SourceError,
    StoreUnavailable,
    UnknownUser,
)
from behavstats.settings import Settings

if TYPE_CHECKING:
    from behavstats.store import Store

DONE, PARTLY, USAGE, UNUSABLE, INTERRUPTED = 0, 1, 2, 3, 130
"""The exit codes; README says what they stand for."""

_LARGE = 16 * 1024 * 1024  # bytes to ingest
_LISTED = 1_000  # rejected lines in the table
_LISTED_DIFFERENCES = 100

app = typer.Typer(
    help="Page views in, exact behavioural profiles of users out, in real time.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Database = Annotated[
    Path, typer.Option("--db", envvar="BEHAVSTATS_DB", metavar="PATH", help="The store's file.")
]
DEFAULT_DB = Path("behavstats.db")
User = Annotated[str, typer.Argument(metavar="USER", help="The user's id.")]


def main() -> None:
    """Run the command line; an expected failure is one line on standard error and an exit code."""
    # Closed by whoever started us, they are None.
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # what the locale cannot show
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except BehavstatsError as error:
        _complain(error)
        sys.exit(_exit_code(error))
    except MemoryError:
        _complain("there is not enough memory")
        sys.exit(UNUSABLE)
    except OSError as error:
        _leave(sys.stdout)
        if isinstance(error, BrokenPipeError):  # as `| head` does: nothing to complain about
            sys.exit(PARTLY)
        _complain(error.strerror or error)
        sys.exit(UNUSABLE)


def _leave(stream: TextIO) -> None:
    """Let a stream lead nowhere, so that the interpreter does not fail again as it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _exit_code(error: BehavstatsError) -> int:
    if isinstance(error, UnknownUser):
        return PARTLY
    return USAGE if isinstance(error, InvalidInput) else UNUSABLE


@app.command(epilog="Example: behavstats ingest events.jsonl more.jsonl.gz")
def ingest(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="JSON lines, also .gz, .zst; or -.")
    ],
    db: Database = DEFAULT_DB,
) -> None:
    """Read page views from files, or from standard input (-), into the store."""
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
        Store.create(settings.db, settings.patience) as store,
        display.IngestProgress(display.console(sys.stderr), size) as progress,
    ):
        report = ingest(files, store, settings.clock, progress.update, second)
    display.console(sys.stdout).print(display.report_table(report))
    _complain(*map(display.rejection_line, report.examples))
    if report.rejected.total() > len(report.examples):
        _complain("more lines were rejected: behavstats rejects lists them")
    _complain(*report.failures)
    if report.interrupted:
        _complain("interrupted; what is counted above is stored, and running it again goes on")
        raise typer.Exit(INTERRUPTED)
    if report.failures:
        raise typer.Exit(UNUSABLE)
    raise typer.Exit(PARTLY if report.rejected else DONE)


@app.command(epilog="Example: behavstats profile 019mr8mf4r --days 30 --as-of 2026-11-15T00:00:00Z")
def profile(
    user: User,
    days: Annotated[int, typer.Option(help="The window's length, 1 to 90.")] = 7,
    as_of: Annotated[
        str | None, typer.Option(metavar="TIME", help="The window's end, RFC 3339.  [default: now]")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print what the API returns.")] = False,
    db: Database = DEFAULT_DB,
) -> None:
    """Print what a user did in the last days."""
    from behavstats.events import check_user_id
    from behavstats.instants import parse_instant
    from behavstats.profile import encode, profile, window

    settings = Settings(db)
    wanted = window(settings.clock() if as_of is None else parse_instant(as_of, "as_of"), days)
    with _existing_store(settings) as store:
        summary = store.summary(check_user_id(user), wanted)
    if json:
        _write(encode(profile(user, summary, days)) + b"\n")
        return
    from behavstats import display

    display.console(sys.stdout).print(display.profile_tables(user, summary, wanted))


@app.command(epilog="Example: behavstats export 019mr8mf4r > user.jsonl")
def export(user: User, db: Database = DEFAULT_DB) -> None:
    """Print all page views of a user as JSON lines, which ingest reads again."""
    from behavstats.events import check_user_id, encode_lines

    with _existing_store(Settings(db)) as store:
        for views in store.page_views(check_user_id(user)):
            _write(encode_lines(views))


@app.command(epilog="Example: behavstats forget 019mr8mf4r")
def forget(
    user: User,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    db: Database = DEFAULT_DB,
) -> None:
    """Erase a user: all page views, and whatever else the store holds of them."""
    from behavstats import display
    from behavstats.events import check_user_id

    check_user_id(user)
    with _existing_store(Settings(db)) as store:
        if not yes and sys.stdin and sys.stdin.isatty():
            _confirm(f"Erase all that {db} holds of user {display.printable(user)}?")
        receipt = store.forget(user)
    display.console(sys.stdout).print(display.receipt_table(receipt))


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
    with _existing_store(Settings(db)) as store:
        if clear:
            print(f"{store.clear_rejections():,} rejected lines deleted")
        elif jsonl:
            _print_rejected_lines(store)
        else:
            out, count = display.console(sys.stdout), store.count_rejections()
            out.print(display.rejections_table(islice(store.rejections(), _LISTED)))
            if count > _LISTED:
                out.print(f"and {count - _LISTED:,} more, which --jsonl prints")


@app.command(epilog="Example: behavstats check --repair")
def check(
    repair: Annotated[
        bool, typer.Option("--repair", help="Make anew what is derived, if anything is wrong.")
    ] = False,
    db: Database = DEFAULT_DB,
) -> None:
    """Verify the store: the file, and whatever is derived against the page views."""
    with _existing_store(Settings(db)) as store:
        count = _print_differences(store.check())
        advice = "behavstats check --repair makes anew what is derived from page views"
        if count and repair:
            count = _repair(store)
            advice = "the file and its page views are not repaired: restore them from a backup"
        if not count:
            page_views, summaries = store.counts()
            print(f"the store is sound: {page_views:,} page views, {summaries:,} summaries")
            return
    _complain(f"differences found: {count:,}; {advice}")
    raise typer.Exit(UNUSABLE)


@app.command(epilog="Example: behavstats serve --port 8080")
def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port to listen on.")] = 8000,
    db: Database = DEFAULT_DB,
) -> None:
    """Serve the store over HTTP until SIGINT or SIGTERM."""
    from behavstats.server import serve

    serve(Settings(db, host=host, port=port, patience=5.0))


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


def _existing_store(settings: Settings) -> "Store":
    from behavstats.store import Store

    return Store.open(settings.db, settings.patience)


def _print_differences(differences: Iterator[str]) -> int:
    """Print the first of them, a line each; return how many there are."""
    from behavstats.display import printable

    count = 0
    for count, difference in enumerate(differences, start=1):
        if count <= _LISTED_DIFFERENCES:
            print(printable(difference))
    if count > _LISTED_DIFFERENCES:
        print(f"and {count - _LISTED_DIFFERENCES:,} more")
    return count


def _repair(store: "Store") -> int:
    """Make anew what is derived, as far as that is possible; return how many differences stay."""
    try:
        store.repair()
        print("what is derived was made anew; checking again")
    except StoreUnavailable as error:  # damage, which is among the differences
        print(f"what is derived could not be made anew: {error}")
    return _print_differences(store.check())


def _print_rejected_lines(store: "Store") -> None:
    for rejection in store.rejections():
        if rejection.length > len(rejection.text):
            _complain(
                f"not printed, since only its beginning is kept: {rejection.source}, "
                f"line {rejection.line}, byte {rejection.offset}, {rejection.length:,} bytes long"
            )
        else:
            _write(rejection.text + b"\n")


def _write(data: bytes) -> None:
    """Write bytes to standard output as they are, whatever the locale, and all of them."""
    rest = memoryview(data)
    while rest:  # with PYTHONUNBUFFERED, a write may take less than it is given
        rest = rest[sys.stdout.buffer.write(rest) :]
    sys.stdout.buffer.flush()


def _confirm(question: str) -> None:
    try:
        typer.confirm(question, abort=True, err=True)
    except typer.Abort:
        print(file=sys.stderr)
        _complain("nothing was erased")
        raise typer.Exit(INTERRUPTED) from None


def _complain(*complaints: object) -> None:
    try:
        for complaint in complaints:
            # One line for each, whatever is in a file's name.
            print("behavstats:", " ".join(str(complaint).splitlines()), file=sys.stderr)
    except OSError:
        _leave(sys.stderr)  # nobody can be told

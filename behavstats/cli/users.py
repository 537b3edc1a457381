"""Commands about one user: the profile, all page views, erasure."""

import sys
from typing import Annotated

import typer

from behavstats.cli.common import (
    DEFAULT_DB,
    INTERRUPTED,
    Database,
    Json,
    User,
    app,
    existing_store,
    outcome_kept,
    print_error,
    print_json,
    write,
)
from behavstats.clock import system_clock
from behavstats.config import StoreOptions

_Days = Annotated[int, typer.Option(metavar="DAYS", help="The length of the window, 1 to 90 days.")]
_AsOf = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="The end of the window, such as 2026-11-15T12:00:00Z.  [default: now]",
    ),
]
_Detail = Annotated[
    bool,
    typer.Option(
        "--detail",
        help="Add visits, seconds on site, first and last view; JSON also gets days and pages.",
    ),
]
_ApiJson = Annotated[bool, typer.Option("--json", help="Print the JSON that the HTTP API returns.")]
_Yes = Annotated[
    bool,
    typer.Option("--yes", help="Do not ask for confirmation. Without a terminal, it never asks."),
]


@app.command(epilog="Example: behavstats profile 019mr8mf4r --days 30 --detail")
def profile(
    user: User,
    days: _Days = 7,
    as_of: _AsOf = None,
    detail: _Detail = False,
    json: _ApiJson = False,
    db: Database = DEFAULT_DB,
) -> None:
    """Print a user's profile: views, minutes, active days, top page."""
    from behavstats.model.page_view import check_user_id
    from behavstats.model.profile import detailed_profile, profile, window
    from behavstats.model.timestamps import parse_instant

    wanted = window(system_clock() if as_of is None else parse_instant(as_of, "as_of"), days)
    with existing_store(StoreOptions(db)) as store:
        summary = store.summary(check_user_id(user), wanted)
    if json:
        print_json(
            detailed_profile(user, summary, wanted) if detail else profile(user, summary, days)
        )
        return
    from behavstats.cli.render.console import console
    from behavstats.cli.render.users import profile_tables

    console(sys.stdout).print(profile_tables(user, summary, wanted, detail=detail))


@app.command(epilog="Example: behavstats export 019mr8mf4r > user.jsonl")
def export(user: User, db: Database = DEFAULT_DB) -> None:
    """Print a user's page views as JSON lines, ready to ingest again."""
    from behavstats.decode.lines import encode_lines
    from behavstats.model.page_view import check_user_id

    with existing_store(StoreOptions(db)) as store:
        for views in store.page_views(check_user_id(user)):
            write(encode_lines(views))


@app.command(epilog="Example: behavstats forget 019mr8mf4r")
def forget(
    user: User,
    yes: _Yes = False,
    json: Json = False,
    db: Database = DEFAULT_DB,
) -> None:
    """Erase a user's page views and everything else stored about them."""
    from behavstats.cli.render.console import console
    from behavstats.cli.render.users import receipt_line, receipt_table
    from behavstats.logs import printable
    from behavstats.model.page_view import check_user_id

    check_user_id(user)
    with existing_store(StoreOptions(db)) as store:
        if not yes and sys.stdin and sys.stdin.isatty():
            _confirm(f"Erase everything that {db} holds about user {printable(user)}?")
        receipt = store.forget(user)
    with outcome_kept(receipt_line(receipt)):
        if json:
            print_json(receipt._asdict())
        else:
            console(sys.stdout).print(receipt_table(receipt))


def _confirm(question: str) -> None:
    try:
        typer.confirm(question, abort=True, err=True)
    except typer.Abort:
        print(file=sys.stderr)
        print_error("nothing was erased")
        raise typer.Exit(INTERRUPTED) from None

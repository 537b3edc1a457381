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
    print_error,
    print_json,
    told_at_least,
    write,
)
from behavstats.clock import system_clock
from behavstats.config import StoreOptions


@app.command(epilog="Example: behavstats profile 019mr8mf4r --days 30 --detail")
def profile(
    user: User,
    days: Annotated[
        int, typer.Option(metavar="DAYS", help="The window's length, 1 to 90 days.")
    ] = 7,
    as_of: Annotated[
        str | None, typer.Option(metavar="TIME", help="The window's end, RFC 3339.  [default: now]")
    ] = None,
    detail: Annotated[
        bool, typer.Option("--detail", help="Also visits, exact times, days and top pages.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print what the API returns.")] = False,
    db: Database = DEFAULT_DB,
) -> None:
    """Print what a user did in the last days: time on site is in minutes."""
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
    """Print all page views of a user as JSON lines, to ingest again."""
    from behavstats.decode.lines import encode_lines
    from behavstats.model.page_view import check_user_id

    with existing_store(StoreOptions(db)) as store:
        for views in store.page_views(check_user_id(user)):
            write(encode_lines(views))


@app.command(epilog="Example: behavstats forget 019mr8mf4r")
def forget(
    user: User,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask; without a terminal, nothing is asked anyway.")
    ] = False,
    json: Json = False,
    db: Database = DEFAULT_DB,
) -> None:
    """Erase a user: the page views, and all else that is stored of them."""
    from behavstats.cli.render.console import console
    from behavstats.cli.render.users import receipt_line, receipt_table
    from behavstats.logs import printable
    from behavstats.model.page_view import check_user_id

    check_user_id(user)
    with existing_store(StoreOptions(db)) as store:
        if not yes and sys.stdin and sys.stdin.isatty():
            _confirm(f"Erase all that {db} holds of user {printable(user)}?")
        receipt = store.forget(user)
    with told_at_least(receipt_line(receipt)):
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

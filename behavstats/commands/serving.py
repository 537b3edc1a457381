"""Commands for whoever runs the store: check it, serve it."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from behavstats.commands.common import (
    DEFAULT_DB,
    UNUSABLE,
    Database,
    app,
    complain,
    existing_store,
)
from behavstats.errors import StoreUnavailable
from behavstats.settings import Settings

if TYPE_CHECKING:
    from behavstats.store import Store

_LISTED = 100  # differences


@app.command(epilog="Example: behavstats check --repair")
def check(
    repair: Annotated[
        bool, typer.Option("--repair", help="Make anew what is derived, if anything is wrong.")
    ] = False,
    db: Database = DEFAULT_DB,
) -> None:
    """Verify the store: the file, and whatever is derived against the page views."""
    with existing_store(Settings(db)) as store:
        count = _print_differences(store.check())
        advice = "behavstats check --repair makes anew what is derived from page views"
        if count and repair:
            count = _repair(store)
            advice = (
                "the file and its page views are not repaired: "
                "behavstats restore BACKUP puts a backup in their place"
            )
        if not count:
            page_views, summaries = store.counts()
            print(f"the store is sound: {page_views:,} page views, {summaries:,} summaries")
            return
    complain(f"differences found: {count:,}; {advice}")
    raise typer.Exit(UNUSABLE)


def _given_keys(
    context: typer.Context, parameter: typer.CallbackParam, keys: list[str] | None
) -> list[str]:
    """Return the keys; in an environment variable, commas part them as well."""
    keys = keys or []
    source = context.get_parameter_source(str(parameter.name))
    if source is not None and source.name == "ENVIRONMENT":
        return [key for text in keys for key in text.split(",") if key]
    return keys


@app.command(epilog="Example: behavstats serve --port 8080")
def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port to listen on.")] = 8000,
    watch: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="A file or folder to follow; again for another."),
    ] = None,
    write_key: Annotated[
        list[str] | None,
        typer.Option(
            envvar="BEHAVSTATS_WRITE_KEYS",
            show_envvar=True,
            metavar="KEY",
            callback=_given_keys,
            help="A key that may only send; again for another. In the variable, blanks or commas "
            "part them.",
        ),
    ] = None,
    secret_key: Annotated[
        list[str] | None,
        typer.Option(
            envvar="BEHAVSTATS_SECRET_KEYS",
            show_envvar=True,
            metavar="KEY",
            callback=_given_keys,
            help="A key that may do everything; again for another.",
        ),
    ] = None,
    cors_origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN",
            help="A site whose pages may send, or *; again for another.  "
            "[default: any if there are keys, else none]",
        ),
    ] = None,
    db: Database = DEFAULT_DB,
) -> None:
    """Serve the store over HTTP until SIGINT or SIGTERM."""
    from behavstats.server import serve

    serve(
        Settings(
            db,
            host=host,
            port=port,
            write_keys=tuple(write_key or ()),
            secret_keys=tuple(secret_key or ()),
            cors_origins=None if not cors_origin else tuple(cors_origin),
            patience=5.0,
        ),
        watch or (),
    )


keys = typer.Typer(help="Make keys for the server.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(keys, name="keys")


@keys.command(epilog="Example: behavstats keys new > keys.env")
def new() -> None:
    """Print a fresh pair of keys, as a file of environment variables has them."""
    from behavstats.access import new_key

    print(f"BEHAVSTATS_WRITE_KEYS={new_key()}")
    print(f"BEHAVSTATS_SECRET_KEYS={new_key()}")


@app.command(epilog="Example: behavstats backup /backups/monday.db --force")
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the copy is to be.")],
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
    db: Database = DEFAULT_DB,
) -> None:
    """Make a sound copy of the store, be it in use."""
    with existing_store(Settings(db)) as store:
        store.back_up(file.absolute(), force=force)
    print(f"{db} was copied to {file}")


def _print_differences(differences: Iterator[str]) -> int:
    """Print the first of them, a line each; return how many there are."""
    from behavstats.display import printable

    count = 0
    for count, difference in enumerate(differences, start=1):
        if count <= _LISTED:
            print(printable(difference))
    if count > _LISTED:
        print(f"and {count - _LISTED:,} more")
    return count


def _repair(store: "Store") -> int:
    """Make anew what is derived, as far as that is possible; return how many differences stay."""
    try:
        store.repair()
        print("what is derived was made anew; checking again")
    except StoreUnavailable as error:  # damage, which is among the differences
        print(f"what is derived could not be made anew: {error}")
    return _print_differences(store.check())

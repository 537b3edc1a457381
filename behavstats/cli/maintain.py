"""Commands that maintain the store: check it, back it up, restore it."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from behavstats.cli.common import (
    DEFAULT_DB,
    UNUSABLE,
    Database,
    Json,
    app,
    existing_store,
    print_error,
    print_json,
    say_that_it_waits,
    told_at_least,
)
from behavstats.config import Settings
from behavstats.errors import StoreUnavailable

if TYPE_CHECKING:
    from behavstats.store import Store


@app.command(epilog="Example: behavstats restore /backups/monday.db")
def restore(
    backup: Annotated[Path, typer.Argument(metavar="BACKUP", help="What behavstats backup made.")],
    db: Database = DEFAULT_DB,
) -> None:
    """Put a backup in the place of the store, even of a damaged one.

    The backup is checked first. The store that is replaced is kept beside the new one; a server
    that uses it goes on with the new one by itself. Users who were erased since the backup was made
    are in it again: erase them once more.
    """
    from behavstats.store import restore_store

    settings = Settings(db)
    restored = restore_store(
        backup.absolute(), settings.db, settings.lock_timeout, say_that_it_waits
    )
    print(f"{db} is {backup} now: {restored.page_views:,} page views of {restored.users:,} users")
    if restored.kept is not None:
        print(f"what was there before is {restored.kept}: delete it when you do not need it")
    print("users who were erased after the backup was made are back: erase them again")


_LISTED = 100  # differences


@app.command(epilog="Example: behavstats check --repair")
def check(
    repair: Annotated[
        bool, typer.Option("--repair", help="Make anew what is derived, if anything is wrong.")
    ] = False,
    json: Json = False,
    db: Database = DEFAULT_DB,
) -> None:
    """Verify the file of the store, and its summaries."""
    with existing_store(Settings(db)) as store:
        count, listed = _listed(store.check(), quiet=json)
        advice = "behavstats check --repair makes anew what is derived from page views"
        repaired = False
        if count and repair:
            repaired = _repair(store, quiet=json)
            count, listed = _listed(store.check(), quiet=json)
            advice = (
                "the file and its page views are not repaired: "
                "behavstats restore BACKUP puts a backup in their place"
            )
        page_views, summaries = (None, None) if count else store.counts()
    if json:
        print_json(
            {
                "sound": not count,
                "repaired": repaired,
                "difference_count": count,
                "differences": listed,
                "page_views": page_views,
                "summaries": summaries,
            }
        )
    elif not count:
        print(f"the store is sound: {page_views:,} page views, {summaries:,} summaries")
    if count:
        print_error(f"differences found: {count:,}; {advice}")
        raise typer.Exit(UNUSABLE)


@app.command(epilog="Example: behavstats backup /backups/monday.db --force")
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the copy is to be.")],
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
    db: Database = DEFAULT_DB,
) -> None:
    """Make a sound copy of the store, which may be in use."""
    with existing_store(Settings(db)) as store:
        store.back_up(file.absolute(), force=force)
    outcome = f"{db} was copied to {file}"
    with told_at_least(outcome):
        print(outcome)


def _listed(differences: Iterator[str], *, quiet: bool) -> tuple[int, list[str]]:
    """Return how many differences there are, and the first of them; print these unless `quiet`."""
    from behavstats.logs import printable

    count, listed = 0, list[str]()
    for count, difference in enumerate(differences, start=1):
        if count <= _LISTED:
            listed.append(printable(difference))
            if not quiet:
                print(listed[-1])
    if count > _LISTED and not quiet:
        print(f"and {count - _LISTED:,} more")
    return count, listed


def _repair(store: "Store", *, quiet: bool) -> bool:
    """Make anew what is derived, and return whether that was possible; say so unless `quiet`."""
    try:
        store.repair()
    except StoreUnavailable as error:  # damage, which is among the differences
        if not quiet:
            print(f"what is derived could not be made anew: {error}")
        return False
    if not quiet:
        print("what is derived was made anew; checking again")
    return True

"""Commands that maintain the store: check it, back it up, restore it."""

from collections.abc import Iterator
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING, Annotated

import typer

from behavstats.cli.common import (
    DEFAULT_DB,
    UNUSABLE,
    Database,
    Json,
    app,
    db_option,
    existing_store,
    outcome_kept,
    print_error,
    print_json,
    print_waiting,
)
from behavstats.config import StoreOptions
from behavstats.errors import StoreUnavailable
from behavstats.text import counted

if TYPE_CHECKING:
    from behavstats.store import Store

_LISTED = 100  # differences

_Backup = Annotated[
    Path, typer.Argument(metavar="BACKUP", help="A file that `behavstats backup` made.")
]
_Repair = Annotated[
    bool,
    typer.Option("--repair", help="Rebuild the rollups from the page views if anything is wrong."),
]
_File = Annotated[Path, typer.Argument(metavar="FILE", help="The file to copy the store to.")]
_Force = Annotated[bool, typer.Option("--force", help="Overwrite the file if it exists.")]


@app.command(epilog="Example: behavstats restore /backups/monday.db")
def restore(backup: _Backup, db: Database = DEFAULT_DB) -> None:
    """Replace the store with a backup, even if the store is damaged.

    The backup is checked first. The replaced store is kept next to the new one, and a running
    server switches to the new one by itself. Users who were erased after the backup was made are
    back: erase them again.
    """
    from behavstats.store import restore_store

    options = StoreOptions(db)
    restored = restore_store(backup.absolute(), options.path, options.lock_timeout, print_waiting)
    views, users = counted(restored.page_views, "page view"), counted(restored.users, "user")
    print(f"restored {db} from {backup}: {views} of {users}")
    if restored.kept is not None:
        print(f"the former store is kept as {restored.kept}: delete it when you do not need it")
    print("users who were erased after the backup was made are back: erase them again")


@app.command(epilog="Example: behavstats check --repair")
def check(repair: _Repair = False, json: Json = False, db: Database = DEFAULT_DB) -> None:
    """Verify the store's file and its rollups.

    Rollups summarise busy hours and days, and can be rebuilt from the page views.
    """
    advice = f"to rebuild the rollups: {_command(db, 'check', '--repair')}"
    with existing_store(StoreOptions(db)) as store:
        count, listed = _listed(store.check(), quiet=json)
        repaired = False
        if count and repair:
            repaired = _repair(store, quiet=json)
            count, listed = _listed(store.check(), quiet=json)
            restore_command = _command(db, "restore", "BACKUP")
            advice = f"a repair cannot fix these; to replace the store: {restore_command}"
        page_views, rollups = (None, None) if count else store.counts()
    if json:
        print_json(
            {
                "sound": not count,
                "repaired": repaired,
                "difference_count": count,
                "differences": listed,
                "page_views": page_views,
                "summaries": rollups,
            }
        )
    elif page_views is not None and rollups is not None:
        views = counted(page_views, "page view")
        print(f"the store is sound: {views}, {counted(rollups, 'rollup')}")
    if count:
        print_error(f"{counted(count, 'difference')} found; {advice}")
        raise typer.Exit(UNUSABLE)


@app.command(epilog="Example: behavstats backup /backups/monday.db --force")
def backup(file: _File, force: _Force = False, db: Database = DEFAULT_DB) -> None:
    """Copy the store to a file, even while the store is in use."""
    with existing_store(StoreOptions(db)) as store:
        store.back_up(file.absolute(), force=force)
    outcome = f"{db} was copied to {file}"
    with outcome_kept(outcome):
        print(outcome)


def _command(db: Path, *words: str) -> str:
    return join(["behavstats", *words, *db_option(db)])


def _listed(differences: Iterator[str], *, quiet: bool) -> tuple[int, list[str]]:
    """Return the number of differences and the first of them; print these unless `quiet`."""
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
    """Rebuild the rollups and return whether that succeeded; print the result unless `quiet`."""
    try:
        store.repair()
    except StoreUnavailable as error:  # the damage itself is listed as a difference
        if not quiet:
            print(f"the rollups could not be rebuilt: {error}")
        return False
    if not quiet:
        print("the rollups were rebuilt; checking again")
    return True

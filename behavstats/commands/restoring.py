"""The command that puts a backup in a store's place."""

from pathlib import Path
from typing import Annotated

import typer

from behavstats.commands.common import DEFAULT_DB, Database, app, say_that_it_waits
from behavstats.config import Settings


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
    from behavstats.store.sqlite.files import resolved
    from behavstats.store.sqlite.lock import StoreLock
    from behavstats.store.sqlite.restore import restore

    settings = Settings(db)
    path = resolved(settings.db)
    lock = StoreLock(path, settings.patience, say_that_it_waits)
    restored = restore(backup.absolute(), path, lock)
    print(f"{db} is {backup} now: {restored.page_views:,} page views of {restored.users:,} users")
    if restored.kept is not None:
        print(f"what was there before is {restored.kept}: delete it when you do not need it")
    print("users who were erased after the backup was made are back: erase them again")

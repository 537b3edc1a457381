"""Commands that follow files, and show how far they were taken."""

import sys
from typing import Annotated

import typer

from behavstats.bounds import bounds_of
from behavstats.commands.common import (
    DEFAULT_DB,
    DONE,
    Database,
    app,
    existing_store,
    exit_code,
    say_that_it_waits,
)
from behavstats.errors import StoreBusy
from behavstats.settings import Settings
from behavstats.stopping import Stop


@app.command(epilog="Example: behavstats watch /var/log/events more.jsonl")
def watch(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH...", help="Files and folders of JSON lines.")
    ],
    once: Annotated[bool, typer.Option("--once", help="Take what is there now, and end.")] = False,
    db: Database = DEFAULT_DB,
) -> None:
    """Follow files and folders into the store, each line exactly once, until SIGINT or SIGTERM."""
    stop = Stop()
    stop.on_signals()  # before imports that take a while
    from behavstats.store import Store
    from behavstats.watch import PATIENCE, log_to_standard_error, watch

    log_to_standard_error()
    settings, bounds = Settings(db), bounds_of()
    Store.create(settings.db, settings.patience, say_that_it_waits).close()
    with (
        Store.open(settings.db, settings.patience, say_that_it_waits, bounds)
        if once
        else Store.open(settings.db, PATIENCE, bounds=bounds)  # and says so itself, and tries again
    ) as store:
        try:
            store.check_writable()  # a full disk is waited for; this would be for ever
        except StoreBusy:
            if once:
                raise
        report = watch(paths, store, settings.clock, stop, once=once)
    raise typer.Exit(exit_code(report) if once else DONE)


@app.command(epilog="Example: behavstats sources --forget-source /var/log/events/old.jsonl")
def sources(
    forget_source: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Forget one: if it is there, it is taken anew."),
    ] = None,
    db: Database = DEFAULT_DB,
) -> None:
    """List the files that were followed, and how far they were taken."""
    from behavstats import display
    from behavstats.following import up_to_date
    from behavstats.sources import stored_name

    with existing_store(Settings(db)) as store:
        if forget_source is not None:
            store.forget_source(stored_name(forget_source))
            print(f"forgotten: {display.printable(forget_source)}")
            return
        followed = [up_to_date(source) for source in store.sources()]
    display.console(sys.stdout).print(display.sources_table(followed))

"""Commands that follow files, and show how far they were taken."""

import sys
from typing import Annotated

import typer

from behavstats.cli.common import (
    DEFAULT_DB,
    DONE,
    Database,
    Json,
    app,
    existing_store,
    exit_code,
    print_json,
    say_that_it_waits,
)
from behavstats.config import Settings, bounds_of
from behavstats.errors import StoreBusy
from behavstats.shutdown import Stop


@app.command(epilog="Example: behavstats watch /var/log/events more.jsonl")
def watch(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH...", help="Files and folders of JSON lines.")
    ],
    include: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="Of folders, take only files of such names, as '*.jsonl'; again for another. "
            "What they are called when they are rotated or compressed is included.",
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Take what is there now, and end.")] = False,
    db: Database = DEFAULT_DB,
) -> None:
    """Follow files and folders into the store, each line exactly once.

    It ends on Ctrl-C or SIGTERM. A file that is named need not be there yet, if its folder is; what
    it is renamed to when it is rotated is followed as well.
    """
    stop = Stop()
    stop.on_signals()  # before imports that take a while
    from behavstats.cli.live_view import live
    from behavstats.logs import log_to_standard_error
    from behavstats.store import create_store, open_store
    from behavstats.watch.watcher import LOCK_TIMEOUT, Watcher

    settings, bounds = Settings(db), bounds_of()
    create_store(settings.db, settings.lock_timeout, say_that_it_waits).close()
    with (
        open_store(settings.db, settings.lock_timeout, say_that_it_waits, bounds)
        if once
        else open_store(
            settings.db, LOCK_TIMEOUT, bounds=bounds
        )  # and says so itself, and tries again
    ) as store:
        try:
            store.check_writable()  # a full disk is waited for; this would be for ever
        except StoreBusy:
            if once:
                raise
        watcher = Watcher(paths, store, settings.clock, stop, include or ())
        with live(sys.stderr) as files:
            log_to_standard_error()  # by now, it is above the files
            if files is not None:
                watcher.on_lines, watcher.on_found = files.took, files.found
            report = watcher.run(once=once)
    raise typer.Exit(exit_code(report) if once else DONE)


@app.command(epilog="Example: behavstats sources --forget-source /var/log/events/old.jsonl")
def sources(
    forget_source: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Forget one: if it is there, it is taken anew."),
    ] = None,
    json: Json = False,
    db: Database = DEFAULT_DB,
) -> None:
    """List the files that were followed, and how far they were taken."""
    from behavstats.cli import render
    from behavstats.logs import printable
    from behavstats.sources.files import stored_name
    from behavstats.watch.tailed_file import up_to_date

    with existing_store(Settings(db)) as store:
        if forget_source is not None:
            store.offsets.forget(stored_name(forget_source))
            print(f"forgotten: {printable(forget_source)}")
            return
        followed = [up_to_date(source) for source in store.offsets.all()]
    if json:
        print_json([*map(render.source_json, followed)])
        return
    if not followed:
        print("no file was followed yet")
        return
    out = render.console(sys.stdout)
    out.print(render.sources_table(followed, is_wide=out.width >= render.WIDE))

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
    created_store,
    existing_store,
    exit_code,
    print_json,
    store_options,
)
from behavstats.clock import system_clock
from behavstats.config import StoreOptions
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
    from behavstats.watch.watcher import LOCK_TIMEOUT, Watcher

    with created_store(store_options(db)) as store:
        if not once:  # the watcher tries again, and says so in the log
            store.wait_at_most(LOCK_TIMEOUT)
        try:
            store.check_writable()  # a full disk is waited for; this would be for ever
        except StoreBusy:
            if once:
                raise
        watcher = Watcher(paths, store, system_clock, stop, include or ())
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
    from behavstats.cli.render import sources as render
    from behavstats.cli.render.console import console
    from behavstats.logs import printable
    from behavstats.sources.files import stored_name
    from behavstats.watch.tailed_file import up_to_date

    with existing_store(StoreOptions(db)) as store:
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
    out = console(sys.stdout)
    out.print(render.sources_table(followed, is_wide=out.width >= render.WIDE))

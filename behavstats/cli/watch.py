"""Commands that follow files, and show how far each file has been read."""

import sys
from typing import TYPE_CHECKING, Annotated

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
    rejects_command,
    store_options,
)
from behavstats.clock import system_clock
from behavstats.config import StoreOptions
from behavstats.errors import StoreBusy
from behavstats.shutdown import Stop

if TYPE_CHECKING:
    from behavstats.ingest.report import Report
    from behavstats.watch.watcher import Watcher

_Paths = Annotated[
    list[str], typer.Argument(metavar="PATH...", help="Files and folders of JSON lines.")
]
_Include = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PATTERN",
        help="In folders, follow only files with such names, for example '*.jsonl'; can be "
        "repeated. Rotated and compressed copies of these files are included.",
    ),
]
_Once = Annotated[bool, typer.Option("--once", help="Store what is there now, then stop.")]
_ForgetSource = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Forget how far a file was read; if it is still followed, it is read again.",
    ),
]


@app.command(epilog="Example: behavstats watch /var/log/events more.jsonl")
def watch(
    paths: _Paths,
    include: _Include = None,
    once: _Once = False,
    db: Database = DEFAULT_DB,
) -> None:
    """Follow files and folders; store each line exactly once.

    It stops on Ctrl-C or SIGTERM. A file may be created later if its folder exists. Rotated files
    are followed under their new names.
    """
    stop = Stop()
    stop.on_signals()  # before imports that take a while
    from behavstats.watch.watcher import LOCK_TIMEOUT, Watcher

    with created_store(store_options(db)) as store:
        if not once:  # the watcher tries again by itself, and logs that
            store.wait_at_most(LOCK_TIMEOUT)
        try:
            store.check_writable()  # the watcher would wait forever for a store it may not write to
        except StoreBusy:
            if once:
                raise
        watcher = Watcher(paths, store, system_clock, stop, include or ())
        watcher.rejects_command = rejects_command(db)
        report = _run(watcher, once=once)
    raise typer.Exit(exit_code(report) if once else DONE)


def _run(watcher: "Watcher", *, once: bool) -> "Report":
    """Run the watcher; at a terminal, show the files below the log."""
    from behavstats.cli.live_view import live
    from behavstats.logs import log_to_standard_error

    with live(sys.stderr) as files:
        log_to_standard_error()  # not earlier: the live view redirects standard error
        if files is not None:
            watcher.on_lines, watcher.on_found = files.add_lines, files.set_count
        return watcher.run(once=once)


@app.command(epilog="Example: behavstats sources --forget-source /var/log/events/old.jsonl")
def sources(
    forget_source: _ForgetSource = None,
    json: Json = False,
    db: Database = DEFAULT_DB,
) -> None:
    """List the followed files, and how far each one has been read."""
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
        print("no file has been followed yet")
        return
    out = console(sys.stdout)
    out.print(render.sources_table(followed, is_wide=out.width >= render.WIDE))

"""The command that shows what a store holds."""

import sys
from typing import TYPE_CHECKING

from behavstats.cli.common import DEFAULT_DB, Database, Json, app, existing_store, print_json
from behavstats.config import StoreOptions

if TYPE_CHECKING:
    from behavstats.store import Statistics


@app.command(epilog="Example: behavstats stats --json")
def stats(json: Json = False, db: Database = DEFAULT_DB) -> None:
    """Show what the store holds: users, page views, top pages, size.

    This reads every page view, which takes about half a second for a million of them.
    """
    with existing_store(StoreOptions(db)) as store:
        statistics = store.statistics()
    if json:
        print_json(_for_json(statistics))
        return
    from behavstats.cli.render.console import console
    from behavstats.cli.render.statistics import statistics_tables

    console(sys.stdout).print(statistics_tables(statistics))


def _for_json(statistics: "Statistics") -> dict[str, object]:
    """Return statistics with timestamps and pages in the form that a profile has."""
    from behavstats.model.timestamps import format_instant

    instants = {"oldest": statistics.oldest, "newest": statistics.newest}
    return {
        **statistics._asdict(),
        **{key: None if ms is None else format_instant(ms) for key, ms in instants.items()},
        "top_pages": [{"name": name, "views": views} for name, views in statistics.top_pages],
    }

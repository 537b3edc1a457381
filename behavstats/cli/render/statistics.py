"""Shows what a whole store holds: its counts and its top pages."""

from typing import TYPE_CHECKING

from rich.console import Group as Renderables
from rich.console import RenderableType

from behavstats.cli.render.console import new_table
from behavstats.logs import printable
from behavstats.model.timestamps import format_instant

if TYPE_CHECKING:
    from behavstats.store import Statistics


def statistics_tables(statistics: "Statistics") -> RenderableType:
    """Return tables of what a store holds, and of the pages with the most views."""
    numbers = new_table("store", "", "value", right="value")
    numbers.add_row("users", f"{statistics.users:,}")
    numbers.add_row("page views", f"{statistics.page_views:,}")
    for name, instant in (("oldest", statistics.oldest), ("newest", statistics.newest)):
        numbers.add_row(name, "-" if instant is None else format_instant(instant))
    numbers.add_row("rejected lines", f"{statistics.rejected_lines:,}")
    numbers.add_row("size", f"{statistics.size:,} bytes")
    pages = new_table("top pages", "page", "views", right="views")
    for name, views in statistics.top_pages:
        pages.add_row(printable(name), f"{views:,}")
    return Renderables(numbers, "", pages)

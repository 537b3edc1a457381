"""What a person sees of one user: the profile, and what was erased."""

from rich.console import Group as Renderables
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from behavstats.cli.render.console import new_table
from behavstats.logs import printable
from behavstats.model.profile import Window, detailed_profile, profile
from behavstats.model.summary import Summary, top_pages
from behavstats.model.timestamps import format_date, format_instant
from behavstats.store import Receipt

_LONGEST_BAR = 30


def profile_tables(
    user_id: str, summary: Summary, window: Window, *, detail: bool = False
) -> RenderableType:
    """Show a profile: its five fields, a bar for each day, and the top pages.

    In `detail`, also the visits, the time to the millisecond, and the first and the last view.
    """
    title = f"{format_instant(window.start)} to {format_instant(window.as_of)}"
    fields = new_table(title, "field", "value")
    for key, value in profile(user_id, summary, window.days).items():
        fields.add_row(key, _field(key, value))
    parts: list[RenderableType] = [fields]
    if detail:
        details = detailed_profile(user_id, summary, window)
        table = new_table("detail", "field", "value")
        for key in ("visits", "seconds_on_site", "first_view", "last_view"):
            table.add_row(key, _field(key, details[key]))
        parts += ["", table]

    days = new_table("views a day (UTC)", "date", "views", "", right="views")
    most = max(summary.dates.values(), default=1)
    for date in window.dates:
        views = summary.dates.get(date, 0)
        bar = "█" * -(-_LONGEST_BAR * views // most)
        days.add_row(format_date(date), f"{views:,}", Text(bar, style="cyan"))

    pages = new_table("top pages", "page", "views", "last viewed", right="views")
    for name, tally in top_pages(summary):
        pages.add_row(printable(name), f"{tally.views:,}", format_instant(tally.last))
    return Renderables(*parts, "", days, "", pages)


def _field(key: str, value: object) -> str:
    """Return a field's value for a person: the keys of times on site do not tell their unit."""
    if value is None:
        return "-"
    if key.startswith("time_spent_on_site"):
        return "1 minute" if value == 1 else f"{value} minutes"
    return printable(str(value))


def receipt_line(receipt: Receipt) -> str:
    """Say in one line what was erased of a user."""
    user_id, page_views, page_names, lines = receipt
    user = printable(user_id)
    return (
        f"of user {user}, {page_views:,} page views, {page_names:,} page names and {lines:,} "
        "rejected lines were erased"
    )


def receipt_table(receipt: Receipt) -> Table:
    """Show what was erased of a user."""
    table = new_table(None, "erased", printable(receipt.user_id), right=printable(receipt.user_id))
    table.add_row("page views", f"{receipt.page_views:,}")
    table.add_row("page names that nobody else viewed", f"{receipt.page_names:,}")
    table.add_row("rejected lines", f"{receipt.rejected_lines:,}")
    return table

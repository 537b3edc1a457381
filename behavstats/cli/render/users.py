"""Shows what belongs to one user: the profile, and the receipt of an erasure."""

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
from behavstats.text import counted

_LONGEST_BAR = 30  # characters


def profile_tables(
    user_id: str, summary: Summary, window: Window, *, detail: bool = False
) -> RenderableType:
    """Return a profile as tables: its five fields, a bar for each day, and the top pages.

    With `detail`, a further table has the visits, the time to the millisecond, and the first and
    last view.
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
    """Return a field's value as text; times on site get their unit, which their keys lack."""
    if value is None:
        return "-"
    if key.startswith("time_spent_on_site") and isinstance(value, int):
        return counted(value, "minute")
    return printable(str(value))


def receipt_line(receipt: Receipt) -> str:
    """Return one line that says how much was erased."""
    views = counted(receipt.page_views, "page view")
    names = counted(receipt.page_names, "page name")
    lines = counted(receipt.rejected_lines, "rejected line")
    return f"erased {views}, {names} and {lines} of user {printable(receipt.user_id)}"


def receipt_table(receipt: Receipt) -> Table:
    """Return a table that says how much was erased."""
    table = new_table(None, "erased", printable(receipt.user_id), right=printable(receipt.user_id))
    table.add_row("page views", f"{receipt.page_views:,}")
    table.add_row("page names that no other user viewed", f"{receipt.page_names:,}")
    table.add_row("rejected lines", f"{receipt.rejected_lines:,}")
    return table

"""Values to rich tables and lines: what a person reads. Piped, it is plain and never wrapped."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, TYPE_CHECKING, Self

from rich.console import Console, RenderableType
from rich.console import Group as Renderables
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from behavstats.ingest.report import Report
from behavstats.logs import printable
from behavstats.model.page_view import Rejection
from behavstats.model.profile import Window, detailed_profile, profile
from behavstats.model.retention import Bounds
from behavstats.model.summary import Summary, top_pages
from behavstats.model.timestamps import DAY, SECOND, format_date, format_instant
from behavstats.sources.files import Source
from behavstats.store import Group, Receipt, SourceOffset, Totals

if TYPE_CHECKING:
    from behavstats.store import Statistics

_UNWRAPPED = 100_000  # columns of a console that is not a terminal
_LONGEST_BAR = 30
_LONGEST_TEXT = 75
WIDE = 120
"""Columns that suffice for all that there is to say of a source."""
_TAKEN_ANEW = (
    "TAKEN ANEW: what was taken of the file was not there any more, and no copy of it; "
    "what it held beyond that is lost, and its lines may have been rejected twice"
)


def console(file: IO[str]) -> Console:
    """Return a console on a stream; where nobody watches, without colours and without an edge."""
    watched = file.isatty()
    return Console(
        file=file,
        force_terminal=watched,
        width=None if watched else _UNWRAPPED,
        highlight=False,
        emoji=False,
        markup=False,
    )


def profile_tables(
    user_id: str, summary: Summary, window: Window, *, detail: bool = False
) -> RenderableType:
    """Show a profile: its five fields, a bar for each day, and the top pages.

    In `detail`, also the visits, the time to the millisecond, and the first and the last view.
    """
    title = f"{format_instant(window.start)} to {format_instant(window.as_of)}"
    fields = _table(title, "field", "value")
    for key, value in profile(user_id, summary, window.days).items():
        fields.add_row(key, _field(key, value))
    parts: list[RenderableType] = [fields]
    if detail:
        details = detailed_profile(user_id, summary, window)
        table = _table("detail", "field", "value")
        for key in ("visits", "seconds_on_site", "first_view", "last_view"):
            table.add_row(key, _field(key, details[key]))
        parts += ["", table]

    days = _table("views a day (UTC)", "date", "views", "", right="views")
    most = max(summary.dates.values(), default=1)
    for date in window.dates:
        views = summary.dates.get(date, 0)
        bar = "█" * -(-_LONGEST_BAR * views // most)
        days.add_row(format_date(date), f"{views:,}", Text(bar, style="cyan"))

    pages = _table("top pages", "page", "views", "last viewed", right="views")
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


def statistics_tables(statistics: "Statistics") -> RenderableType:
    """Show what a store holds, and the pages that are viewed most."""
    numbers = _table("store", "", "value", right="value")
    numbers.add_row("users", f"{statistics.users:,}")
    numbers.add_row("page views", f"{statistics.page_views:,}")
    for name, instant in (("oldest", statistics.oldest), ("newest", statistics.newest)):
        numbers.add_row(name, "-" if instant is None else format_instant(instant))
    numbers.add_row("rejected lines", f"{statistics.rejected_lines:,}")
    numbers.add_row("size", f"{statistics.size:,} bytes")
    pages = _table("top pages", "page", "views", right="views")
    for name, views in statistics.top_pages:
        pages.add_row(printable(name), f"{views:,}")
    return Renderables(numbers, "", pages)


def report_table(report: Report, *, is_stored: bool = True) -> Table:
    """Show what an ingest did: counts, time and rate; or what it would do, if nothing is stored."""
    table = _table(None, "lines", "", right="")
    table.add_row("read", f"{report.read:,}")
    if is_stored:
        table.add_row("added", f"{report.added:,}")
        table.add_row("duplicates", f"{report.duplicates:,}")
    else:
        table.add_row("page views", f"{report.added:,}")
    if report.non_page_messages:
        _add_counts(table, "other messages, not stored", report.non_page_messages)
    _add_counts(table, "rejected", report.rejected)
    table.add_row("time", f"{report.seconds:.1f} s")
    table.add_row("rate", _rate(report))
    return table


def _add_counts(table: Table, title: str, counts: Counter[str]) -> None:
    table.add_row(title, f"{counts.total():,}")
    for name, count in counts.most_common():
        table.add_row(f"  {name}", f"{count:,}")


def rejects_summary(totals: Totals, bounds: Bounds, groups: Sequence[Group]) -> Iterator[str]:
    """Say how many rejected lines are kept, and why, source by source; in lines for a terminal."""
    kept = f"{_counted(totals.lines, 'rejected line')} kept, {_size(totals.bytes)}"
    days = bounds.age // DAY
    yield f"{kept} (at most {bounds.lines:,}, {_size(bounds.bytes)}, for {days:,} days)"
    if totals.dropped_lines:
        since = "" if totals.since is None else f" since {_minute(totals.since)}"
        lost = f"{_counted(totals.dropped_lines, 'line')}, {_size(totals.dropped_bytes)}"
        yield f"dropped{since}, the oldest first: {lost}"
    source: str | None = None
    for group in groups:
        if group.source != source:
            source = group.source
            yield ""
            yield f"{printable(source) or '(erased)'}  (first and last arrival, UTC)"
        times = f"{_minute(group.first)}  {_minute(group.last)}"
        yield f"  {group.lines:>9,}  {group.reason:<17}  {times}"


def rejection_lines(number: int, rejection: Rejection) -> Iterator[str]:
    """Show a rejected line, in lines for a terminal; of a long text, the beginning."""
    text = rejection.text.decode(errors="backslashreplace")
    shown = text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "…"
    where = f"{printable(rejection.source) or '(erased)'}:{rejection.line}"
    yield f"{number:,}  {_minute(rejection.arrived)}  {where}"
    yield f"  {rejection.reason}: {printable(rejection.message)}"
    yield f"  {printable(shown)}"


def rejects_values(totals: Totals, bounds: Bounds, groups: Sequence[Group]) -> dict[str, object]:
    """Return what `rejects_summary` says as values that JSON has; times in UTC."""
    return {
        "kept": {"lines": totals.lines, "bytes": totals.bytes},
        "at_most": {
            "lines": bounds.lines,
            "bytes": bounds.bytes,
            "days": bounds.age // DAY,
        },
        "dropped": {
            "lines": totals.dropped_lines,
            "bytes": totals.dropped_bytes,
            "since": _instant(totals.since),
        },
        "groups": [
            group._asdict() | {"first": _instant(group.first), "last": _instant(group.last)}
            for group in groups
        ],
    }


def _instant(instant: int | None) -> str | None:
    return None if instant is None else format_instant(instant)


def _minute(instant: int | None) -> str:
    """Return an instant as a person reads it; as wide where it is not known."""
    return f"{'-':<16}" if instant is None else format_instant(instant)[:16].replace("T", " ")


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _size(size: int) -> str:
    if size < 1024:
        return _counted(size, "byte")
    return f"{size / 1024:,.0f} KiB" if size < 1024 * 1024 else f"{size / 1024 / 1024:,.1f} MiB"


def rejection_line(rejection: Rejection) -> str:
    """Say in one line where a line was rejected, and why."""
    where = f"{printable(rejection.source)}:{rejection.line}"
    return f"{where}: {rejection.reason}: {printable(rejection.message)}"


def receipt_line(receipt: Receipt) -> str:
    """Say in one line what was erased of a user."""
    user_id, page_views, page_names, lines = receipt
    user = printable(user_id)
    return (
        f"of user {user}, {page_views:,} page views, {page_names:,} page names and {lines:,} "
        "rejected lines were erased"
    )


def report_line(report: Report) -> str:
    """Say in one line what an ingest did."""
    counts = [f"{report.read:,} lines read", f"{report.added:,} added"]
    counts += [
        f"{report.duplicates:,} duplicates",
        f"{report.non_page_messages.total():,} other messages",
    ]
    return ", ".join((*counts, f"{report.rejected.total():,} rejected"))


def receipt_table(receipt: Receipt) -> Table:
    """Show what was erased of a user."""
    table = _table(None, "erased", printable(receipt.user_id), right=printable(receipt.user_id))
    table.add_row("page views", f"{receipt.page_views:,}")
    table.add_row("page names that nobody else viewed", f"{receipt.page_names:,}")
    table.add_row("rejected lines", f"{receipt.rejected_lines:,}")
    return table


def sources_table(sources: Iterable[SourceOffset], *, is_wide: bool = True) -> Table:
    """Show how far files were taken that are followed; where there is little room, what matters."""
    numbers = ["size", "offset", "lag", "lines", "rejected"][0 if is_wide else 2 :]
    table = _table("sources", "source", *numbers, "last taken", right=numbers)
    anew = False
    for source in sources:
        name = "(erased)" if source.name is None else printable(source.name)
        name += " (gone)" if source.device is None else ""
        name += f" (TAKEN ANEW {_second(source.anew)})" if source.anew else ""
        anew = anew or source.anew is not None
        reached = source.checkpoint
        counts = (source.size, reached.offset, source.lag, reached.lines, source.rejected)
        shown = counts if is_wide else counts[2:]
        taken = format_instant(source.taken) if is_wide else _second(source.taken)
        table.add_row(name, *(f"{count:,}" for count in shown), taken)
    if anew:
        table.caption, table.caption_justify = _TAKEN_ANEW, "left"
    return table


def source_json(source: SourceOffset) -> dict[str, object]:
    """Return what is known of a source as JSON shows it: sizes in bytes, instants as texts."""
    return {
        "source": source.name,
        "is_gone": source.device is None,
        "size": source.size,
        "offset": source.checkpoint.offset,
        "lag": source.lag,
        "lines": source.checkpoint.lines,
        "rejected": source.rejected,
        "last_taken": format_instant(source.taken),
        "taken_anew": None if source.anew is None else format_instant(source.anew),
    }


def _second(instant: int) -> str:
    return format_instant(instant - instant % SECOND).replace(".000Z", "Z")


class IngestProgress:
    """A bar for all sources: how far, how fast, how long to go. To be used in `with`.

    Shows nothing where nobody watches; of sources without a size, only the rate.
    """

    def __init__(self, console: Console, size: int | None) -> None:
        """`size` is that of all sources together, in bytes, if it is known."""
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("", total=size, rate="")
        self._source: Source | None = None
        self._before = 0  # bytes of the sources before this one

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, source: Source, report: Report) -> None:
        """Show how far a source was read, and the rate of the whole ingest so far."""
        if source is not self._source:
            self._before += self._source.position if self._source else 0
            self._source = source
        self._progress.update(
            self._task,
            description=printable(source.name.rpartition("/")[2]),
            completed=self._before + source.position,
            rate=_rate(report),
        )


def _rate(report: Report) -> str:
    return f"{report.read / max(report.seconds, 0.001):,.0f} a second"


def _table(title: str | None, *columns: str, right: str | Sequence[str] = ()) -> Table:
    table = Table(title=title, title_justify="left")
    aligned = [right] if isinstance(right, str) else right
    for column in columns:
        table.add_column(column, justify="right" if column in aligned else "left", overflow="fold")
    return table

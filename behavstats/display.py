"""Values to rich tables and lines: what a person reads. Piped, it is plain and never wrapped."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Self

from rich.console import Console, RenderableType
from rich.console import Group as Renderables
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from behavstats.bounds import Bounds
from behavstats.events import Rejection
from behavstats.ingest import Report
from behavstats.instants import DAY, format_date, format_instant
from behavstats.profile import Summary, Window, profile, top_pages
from behavstats.sources import Source
from behavstats.store import Group, Receipt, SourceProgress, Totals

_UNWRAPPED = 100_000  # columns of a console that is not a terminal
_LONGEST_BAR = 30
_LONGEST_TEXT = 75


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


def printable(text: str) -> str:
    """Return text with what is not printable escaped, so that no data steers the terminal."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def profile_tables(user_id: str, summary: Summary, window: Window) -> RenderableType:
    """Show a profile: its five fields, a bar for each day, and the top pages."""
    title = f"{format_instant(window.start)} to {format_instant(window.as_of)}"
    fields = _table(title, "field", "value")
    for key, value in profile(user_id, summary, window.days).items():
        fields.add_row(key, "-" if value is None else printable(str(value)))

    days = _table("views a day (UTC)", "date", "views", "", right="views")
    most = max(summary.dates.values(), default=1)
    for date in window.dates:
        views = summary.dates.get(date, 0)
        bar = "█" * -(-_LONGEST_BAR * views // most)
        days.add_row(format_date(date), f"{views:,}", Text(bar, style="cyan"))

    pages = _table("top pages", "page", "views", "last viewed", right="views")
    for name, tally in top_pages(summary):
        pages.add_row(printable(name), f"{tally.views:,}", format_instant(tally.last))
    return Renderables(fields, "", days, "", pages)


def report_table(report: Report, *, is_stored: bool = True) -> Table:
    """Show what an ingest did: counts, time and rate; or what it would do, if nothing is stored."""
    table = _table(None, "lines", "", right="")
    table.add_row("read", f"{report.read:,}")
    if is_stored:
        table.add_row("added", f"{report.added:,}")
        table.add_row("duplicates", f"{report.duplicates:,}")
    else:
        table.add_row("page views", f"{report.added:,}")
    if report.others:
        _add_counts(table, "other messages, not stored", report.others)
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


def receipt_table(receipt: Receipt) -> Table:
    """Show what was erased of a user."""
    table = _table(None, "erased", printable(receipt.user_id), right=printable(receipt.user_id))
    table.add_row("page views", f"{receipt.page_views:,}")
    table.add_row("page names that nobody else viewed", f"{receipt.page_names:,}")
    table.add_row("rejected lines", f"{receipt.rejected_lines:,}")
    return table


def sources_table(sources: Iterable[SourceProgress]) -> Table:
    """Show how far files were taken that are followed."""
    numbers = ("size", "offset", "lag", "lines", "rejected")
    table = _table("sources", "source", *numbers, "last taken", right=numbers)
    for source in sources:
        name = "(erased)" if source.name is None else printable(source.name)
        name += " (gone)" if source.device is None else ""
        reached = source.checkpoint
        counts = (source.size, reached.offset, source.lag, reached.lines, source.rejected)
        table.add_row(name, *(f"{count:,}" for count in counts), format_instant(source.taken))
    return table


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

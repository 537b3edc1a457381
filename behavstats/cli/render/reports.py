"""Shows an ingest: a progress bar while it runs, and a report at its end."""

from collections import Counter
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from behavstats.cli.render.console import new_table
from behavstats.ingest.report import Report
from behavstats.logs import printable
from behavstats.model.page_view import Rejection
from behavstats.sources.files import Source
from behavstats.text import counted


def report_table(report: Report, *, is_stored: bool = True) -> Table:
    """Return a table of the counts of an ingest; unless `is_stored`, of a dry run."""
    table = new_table(None, "lines", "", right="")
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


def report_line(report: Report) -> str:
    """Return the counts of an ingest as one line."""
    counts = (
        f"{counted(report.read, 'line')} read",
        f"{report.added:,} added",
        counted(report.duplicates, "duplicate"),
        counted(report.non_page_messages.total(), "other message"),
        f"{report.rejected.total():,} rejected",
    )
    return ", ".join(counts)


def rejection_line(rejection: Rejection) -> str:
    """Return one line that says which line was rejected, and why."""
    where = f"{printable(rejection.source)}:{rejection.line}"
    return f"{where}: {rejection.reason}: {printable(rejection.message)}"


class IngestProgress:
    """A progress bar for all sources, which is shown while inside `with`.

    It shows nothing unless the console is a terminal, and only the rate if the size is not known.
    """

    def __init__(self, console: Console, size: int | None) -> None:
        """`size` is the size in bytes of all sources together, or None if it is not known."""
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
        """Show how far a source has been read, and the rate of the whole ingest so far."""
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

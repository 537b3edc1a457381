"""The table that a terminal shows while files are followed, one row for each file."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO

from rich.live import Live
from rich.table import Table

from behavstats.cli.render.console import console
from behavstats.logs import printable
from behavstats.text import counted
from behavstats.watch.tracked_file import TrackedFile

_MOST_FILES = 1_000  # remembered: those that were read most recently
_MOST_SHOWN = 15
_OTHER_LINES = 6  # of the terminal, for the title, the borders and the log
_WINDOW = 5.0  # seconds over which the rate is measured
_REFRESHES = 4  # a second


@dataclass
class _Row:
    """A row of the table: a file's lag in bytes, its counts, and its recent reads."""

    lag: int = 0
    rejected: int = 0
    lines: int = 0
    recent: deque[tuple[float, int]] = field(default_factory=deque)

    def rate(self, now: float) -> float:
        """Return how many lines a second were read in the last seconds."""
        while self.recent and self.recent[0][0] < now - _WINDOW:
            self.recent.popleft()
        return sum(lines for _, lines in self.recent) / _WINDOW


class LiveFiles:
    """The table of followed files."""

    def __init__(self, shown: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`shown` is the number of rows for which there is room; `clock` returns seconds."""
        self._rows: dict[str, _Row] = {}
        self._shown = shown
        self._clock = clock
        self._count = 0

    def set_count(self, count: int) -> None:
        """Set the number of files that are followed."""
        self._count = count

    def add_lines(self, file: TrackedFile, lines: int) -> None:
        """Add the number of lines that were read from a file."""
        row = self._rows.pop(file.name, None) or _Row()
        self._rows[file.name] = row  # at the end, as the one read most recently
        if len(self._rows) > _MOST_FILES:
            del self._rows[next(iter(self._rows))]
        row.lag = max(0, file.size - file.decoded.offset)
        row.rejected = file.rejected
        row.lines += lines
        row.recent.append((self._clock(), lines))

    def table(self) -> Table:
        """Return the table as of now, with the files that were read most recently."""
        rows = [*self._rows.items()]
        read = sum(row.lines for _, row in rows)
        title = f"{counted(self._count, 'file')} followed, {counted(read, 'line')} read"
        table = Table(title=title, title_justify="left")
        table.add_column("file", overflow="ellipsis", no_wrap=True)
        for column in ("lines", "a second", "lag", "rejected"):
            table.add_column(column, justify="right", no_wrap=True)
        now = self._clock()
        for name, row in sorted(rows[-self._shown :]):
            numbers = (row.lines, round(row.rate(now)), row.lag, row.rejected)
            table.add_row(_end_of(printable(name)), *(f"{number:,}" for number in numbers))
        if len(rows) > self._shown:
            table.caption = f"and {len(rows) - self._shown:,} more, which were read less recently"
        return table


def _end_of(name: str, most: int = 40) -> str:
    """Return the end of a long name, which says more than its beginning."""
    return name if len(name) <= most else "…" + name[1 - most :]


@contextmanager
def live(stream: IO[str]) -> Iterator[LiveFiles | None]:
    """Show the followed files on a terminal while inside `with`; yield None if there is none.

    Lines that are written to standard error in the meantime appear above the table.
    """
    screen = console(stream)
    if not screen.is_terminal or screen.is_dumb_terminal:
        yield None
        return
    files = LiveFiles(max(1, min(_MOST_SHOWN, screen.height - _OTHER_LINES)))
    with Live(
        console=screen,
        get_renderable=files.table,
        refresh_per_second=_REFRESHES,
        redirect_stdout=False,
        vertical_overflow="crop",
    ):
        yield files

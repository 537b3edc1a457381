"""What a terminal shows while files are followed: a line for each, renewed as it goes."""

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
from behavstats.watch.tracked_file import TrackedFile

_MOST_FILES = 1_000  # that are remembered; those that were taken last
_MOST_SHOWN = 15
_BESIDE = 6  # lines of the terminal for what is not a file
_WINDOW = 5.0  # seconds of which the rate is told
_RENEWED = 4  # times a second


@dataclass
class _Row:
    """What is shown of a file: its lag in bytes, and its lines of the last seconds."""

    lag: int = 0
    rejected: int = 0
    lines: int = 0
    recent: deque[tuple[float, int]] = field(default_factory=deque)

    def rate(self, now: float) -> float:
        """Return how many lines a second were taken in the last seconds."""
        while self.recent and self.recent[0][0] < now - _WINDOW:
            self.recent.popleft()
        return sum(lines for _, lines in self.recent) / _WINDOW


class LiveFiles:
    """The files that are followed, as a table."""

    def __init__(self, shown: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`shown` is how many of them there is room for; `clock` returns seconds."""
        self._rows: dict[str, _Row] = {}
        self._shown = shown
        self._clock = clock
        self._count = 0

    def found(self, count: int) -> None:
        """Take note of how many files are followed."""
        self._count = count

    def took(self, file: TrackedFile, lines: int) -> None:
        """Take note that lines of a file were taken."""
        row = self._rows.pop(file.name, None) or _Row()
        self._rows[file.name] = row  # last: it is the newest
        if len(self._rows) > _MOST_FILES:
            del self._rows[next(iter(self._rows))]
        row.lag = max(0, file.size - file.decoded.offset)
        row.rejected = file.rejected
        row.lines += lines
        row.recent.append((self._clock(), lines))

    def table(self) -> Table:
        """Return what there is to see now: the files of which something was taken last."""
        rows = [*self._rows.items()]
        taken = sum(row.lines for _, row in rows)
        title = f"{self._count:,} files followed, {taken:,} lines taken"
        table = Table(title=title, title_justify="left")
        table.add_column("file", overflow="ellipsis", no_wrap=True)
        for column in ("lines", "a second", "lag", "rejected"):
            table.add_column(column, justify="right", no_wrap=True)
        now = self._clock()
        for name, row in sorted(rows[-self._shown :]):
            numbers = (row.lines, round(row.rate(now)), row.lag, row.rejected)
            table.add_row(_end_of(printable(name)), *(f"{number:,}" for number in numbers))
        if len(rows) > self._shown:
            table.caption = f"and {len(rows) - self._shown:,} more, of which less was taken lately"
        return table


def _end_of(name: str, most: int = 40) -> str:
    """Return the end of a long name, which tells more than its beginning."""
    return name if len(name) <= most else "…" + name[1 - most :]


@contextmanager
def live(stream: IO[str]) -> Iterator[LiveFiles | None]:
    """Show files on a terminal while in `with`; None where the stream leads to none.

    What is written to standard error meanwhile stands above.
    """
    screen = console(stream)
    if not screen.is_terminal or screen.is_dumb_terminal:
        yield None
        return
    files = LiveFiles(max(1, min(_MOST_SHOWN, screen.height - _BESIDE)))
    with Live(
        console=screen,
        get_renderable=files.table,
        refresh_per_second=_RENEWED,
        redirect_stdout=False,
        vertical_overflow="crop",
    ):
        yield files

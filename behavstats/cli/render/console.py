"""The console that prints tables. Output to a pipe has no colours and no wrapped lines."""

from collections.abc import Sequence
from typing import IO

from rich.console import Console
from rich.table import Table

_UNWRAPPED = 100_000  # columns of a console that is not a terminal


def console(file: IO[str]) -> Console:
    """Return a console for a stream; unless it is a terminal, without colours and line breaks."""
    is_terminal = file.isatty()
    return Console(
        file=file,
        force_terminal=is_terminal,
        width=None if is_terminal else _UNWRAPPED,
        highlight=False,
        emoji=False,
        markup=False,
    )


def new_table(title: str | None, *columns: str, right: str | Sequence[str] = ()) -> Table:
    """Return an empty table; the columns named in `right` are aligned to the right."""
    table = Table(title=title, title_justify="left")
    aligned = [right] if isinstance(right, str) else right
    for column in columns:
        table.add_column(column, justify="right" if column in aligned else "left", overflow="fold")
    return table

"""Shows the followed files, to a person or as JSON."""

from collections.abc import Iterable

from rich.console import Group as Renderables
from rich.console import RenderableType

from behavstats.cli.render.console import new_table
from behavstats.logs import printable
from behavstats.model.timestamps import SECOND, format_instant
from behavstats.store import SourceOffset

WIDE = 120
"""Columns of a terminal that has room for every column of the table."""
_READ_AGAIN = (
    "READ AGAIN: the file no longer began with the lines that had been read, and no copy of them "
    "was found, so it was read from its start. Lines of the former content that had not been read "
    "are lost, and lines may have been rejected twice."
)


def sources_table(sources: Iterable[SourceOffset], *, is_wide: bool = True) -> RenderableType:
    """Return a table of how far each file has been read; unless `is_wide`, with fewer columns."""
    title = f"sources ({'size, offset and ' if is_wide else ''}lag in bytes)"
    numbers = ["size", "offset", "lag", "lines", "rejected"][0 if is_wide else 2 :]
    table = new_table(title, "source", *numbers, "last read", right=numbers)
    is_any_read_again = False
    for source in sources:
        name = "(erased)" if source.name is None else printable(source.name)
        name += " (gone)" if source.device is None else ""
        name += f" (READ AGAIN {_second(source.read_again_at)})" if source.read_again_at else ""
        is_any_read_again = is_any_read_again or source.read_again_at is not None
        reached = source.checkpoint
        counts = (source.size, reached.offset, source.lag, reached.lines, source.rejected)
        shown = counts if is_wide else counts[2:]
        last_read = format_instant(source.taken) if is_wide else _second(source.taken)
        table.add_row(name, *(f"{count:,}" for count in shown), last_read)
    return Renderables(table, _READ_AGAIN) if is_any_read_again else table


def source_json(source: SourceOffset) -> dict[str, object]:
    """Return a source as values for JSON: sizes in bytes, times as strings."""
    return {
        "source": source.name,
        "is_gone": source.device is None,
        "size": source.size,
        "offset": source.checkpoint.offset,
        "lag": source.lag,
        "lines": source.checkpoint.lines,
        "rejected": source.rejected,
        "last_taken": format_instant(source.taken),
        "taken_anew": None
        if source.read_again_at is None
        else format_instant(source.read_again_at),
    }


def _second(instant: int) -> str:
    return format_instant(instant - instant % SECOND).replace(".000Z", "Z")

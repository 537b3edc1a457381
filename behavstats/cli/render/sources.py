"""What a person, or a program, sees of the files that were followed."""

from collections.abc import Iterable

from rich.table import Table

from behavstats.cli.render.console import new_table
from behavstats.logs import printable
from behavstats.model.timestamps import SECOND, format_instant
from behavstats.store import SourceOffset

WIDE = 120
"""Columns that suffice for all that there is to say of a source."""
_TAKEN_ANEW = (
    "TAKEN ANEW: what was taken of the file was not there any more, and no copy of it; "
    "what it held beyond that is lost, and its lines may have been rejected twice"
)


def sources_table(sources: Iterable[SourceOffset], *, is_wide: bool = True) -> Table:
    """Show how far files were taken that are followed; where there is little room, what matters."""
    numbers = ["size", "offset", "lag", "lines", "rejected"][0 if is_wide else 2 :]
    table = new_table("sources", "source", *numbers, "last taken", right=numbers)
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

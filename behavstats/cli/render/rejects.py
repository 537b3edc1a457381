"""Shows the rejected lines, to a person or as JSON."""

from collections.abc import Iterator, Sequence

from behavstats.logs import printable
from behavstats.model.page_view import Rejection
from behavstats.model.retention import Bounds
from behavstats.model.timestamps import DAY, format_instant
from behavstats.store import Group, Totals
from behavstats.text import counted

_LONGEST_TEXT = 75  # characters


def rejects_summary(totals: Totals, bounds: Bounds, groups: Sequence[Group]) -> Iterator[str]:
    """Yield lines that say how many rejected lines are kept, by source and by reason."""
    kept = f"{counted(totals.lines, 'rejected line')} kept, {_size(totals.bytes)}"
    days = bounds.age // DAY
    yield f"{kept} (at most {bounds.lines:,}, {_size(bounds.bytes)}, for {counted(days, 'day')})"
    if totals.dropped_lines:
        since = "" if totals.since is None else f" since {_minute(totals.since)}"
        lost = f"{counted(totals.dropped_lines, 'line')}, {_size(totals.dropped_bytes)}"
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
    """Yield lines that show a rejected line; a long text is cut."""
    text = rejection.text.decode(errors="backslashreplace")
    shown = text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "…"
    where = f"{printable(rejection.source) or '(erased)'}:{rejection.line}"
    yield f"{number:,}  {_minute(rejection.arrived)}  {where}"
    yield f"  {rejection.reason}: {printable(rejection.message)}"
    yield f"  {printable(shown)}"


def rejects_values(totals: Totals, bounds: Bounds, groups: Sequence[Group]) -> dict[str, object]:
    """Return what `rejects_summary` shows as values for JSON; times are in UTC."""
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
    """Return an instant to the minute, or a padded dash if it is not known."""
    return f"{'-':<16}" if instant is None else format_instant(instant)[:16].replace("T", " ")


def _size(size: int) -> str:
    if size < 1024:
        return counted(size, "byte")
    return f"{size / 1024:,.0f} KiB" if size < 1024 * 1024 else f"{size / 1024 / 1024:,.1f} MiB"

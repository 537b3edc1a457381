"""The report: the table in the terminal, and README.md with a plot of how cost grows."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from string import Template

from bars import BARS, notes, shown
from datasets import AS_OF
from measure import HERE
from plot import draw
from results import Result, Results
from rich.console import Console
from rich.table import Table

_HEADERS = ("measured", "bar", "value", "", "on this machine")


def show(results: Results) -> None:
    """Print the table."""
    table = Table(*_HEADERS)
    for row in _rows(results):
        table.add_row(*(cell.replace("**", "") for cell in row))
    Console().print(table)


def write(results: Results, folder: Path) -> None:
    """Write README.md and growth.svg into a folder."""
    template = Template((HERE / "template.md").read_text(encoding="utf-8"))
    text = template.substitute(
        table=_markdown(_HEADERS, _rows(results)),
        remarks=_remarks(results),
        growth=_markdown(_GROWTH, _growth_rows(results)),
        memory=_markdown(("ingest of", "peak"), _memory_rows(results)),
        setting=_markdown(("what", "which"), results.setting.items()),
        as_of=AS_OF,
    )
    (folder / "README.md").write_text(text, encoding="utf-8")
    if results.growth:
        draw(results.growth, folder / "growth.svg")


def _rows(results: Results) -> Iterator[tuple[str, ...]]:
    for bar in BARS:
        result = results.rows.get(bar.key)
        if result is None:
            yield bar.what, bar.text, "-", "not measured", ""
        else:
            value = shown(result.value, bar.unit) + _spread(result)
            yield bar.what, bar.text, value, bar.verdict(result.value), result.figures


def _spread(result: Result) -> str:
    if not result.ratios:
        return ""
    return f" ({min(result.ratios):.2f} to {max(result.ratios):.2f})"


def _remarks(results: Results) -> str:
    """Return remarks on figures, and what was tried where a bar is not reached."""
    tried = notes()
    missed = [
        f"{bar.what}: {tried.get(bar.key, 'nothing was noted yet.')}"
        for bar in BARS
        if bar.key in results.rows and "not" in bar.verdict(results.rows[bar.key].value)
    ]
    lines = list(results.remarks.values())
    lines += [f"Not reached, and what was tried: {text}" for text in missed]
    return "\n".join(f"- {line}" for line in lines)


_GROWTH = ("page views", "a second", "bytes each", "peak memory", "read 10", "100", "10,000")


def _growth_rows(results: Results) -> Iterator[tuple[str, ...]]:
    for row in results.growth:
        yield (
            f"{row['views']:,}",
            f"{row['rate']:,.0f}",
            f"{row['bytes']:.1f}",
            f"{row['megabytes']:.0f} MB",
            *(shown(row[f"read_{views}"], "µs") for views in (10, 100, 10_000)),
        )


def _memory_rows(results: Results) -> Iterator[tuple[str, str]]:
    for what, megabytes in results.memory.items():
        yield what, f"{megabytes:.0f} MB"


def _markdown(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

"""How cost grows: rate, size and read time of stores of 1 M, 5 M and 20 M page views."""

from pathlib import Path

from bench import Bench
from datasets import count_lines
from reading import microseconds

_LABELS = (10, 100, 10_000)


def growth(bench: Bench) -> None:
    """Ingest files of three sizes, and read users of three weights from each."""
    data, stores = bench.data, bench.stores
    rows = [
        _row(bench, data.million, stores.grown(data.million, "growth")),
        _row(bench, data.middle, stores.grown(data.middle, "growth")),
        _row(bench, data.large, stores.large_growth),
    ]
    bench.results.growth[:] = rows
    bench.results.save()


def _row(bench: Bench, source: Path, grown: tuple[Path, float, int, float]) -> dict[str, float]:
    folder, seconds, peak, bytes_per_view = grown
    views = count_lines(source)
    row = {
        "views": views,
        "rate": views / seconds,
        "bytes": bytes_per_view,
        "megabytes": peak / 1_000_000,
    }
    store = bench.stores.copy(folder, "growth-reads", bench.data.weights)
    for label, weight in zip(_LABELS, bench.scale.weights, strict=True):
        row[f"read_{label}"] = microseconds(store, weight)
    return row

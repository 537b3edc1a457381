"""Reads in the library: by the user's weight, and by the store's size."""

from pathlib import Path
from statistics import median

from bench import Bench
from heavy import Weight
from measure import HERE, PYTHON, Pairs, in_pairs, output

_LABELS = (10, 100, 10_000, 1_000_000)
_FEWEST_CALLS, _MOST_CALLS = 20, 2_000
_VIEWS_IN_ALL = 1_000_000  # so that there are fewer calls for users who take longer


def weights(bench: Bench) -> None:
    """Read users of each weight in a store of a million and theirs."""
    all_weights = [*bench.scale.weights, bench.scale.heaviest]
    for label, weight in zip(_LABELS, all_weights, strict=True):
        times = [microseconds(bench.stores.weighed, weight) for _ in range(bench.pairs)]
        spread = f"{min(times):,.0f} to {max(times):,.0f} µs in {len(times)} runs"
        bench.results.add(f"read_{label}", median(times), spread)


def large(bench: Bench) -> None:
    """Compare the same reads in a store of 20 M with those in one of 100,000."""
    store = bench.stores.copy(bench.stores.large, "large-reads", bench.data.weights)
    compared = {
        label: _compared(bench, store, weight)
        for label, weight in zip(_LABELS, bench.scale.weights, strict=False)
    }
    figures = "; ".join(
        f"{label:,} views: {pairs.ratio:.2f}x, {median(pairs.first):,.0f} against "
        f"{median(pairs.second):,.0f} µs"
        for label, pairs in compared.items()
    )
    worst = max(compared.values(), key=lambda pairs: pairs.ratio)
    bench.results.add("read_large", worst.ratio, figures, worst.ratios)


def _compared(bench: Bench, store: Path, weight: Weight) -> Pairs:
    return in_pairs(
        lambda: microseconds(store, weight),
        lambda: microseconds(bench.stores.small, weight),
        bench.pairs,
    )


def microseconds(store: Path, weight: Weight) -> float:
    """Return the median time of a profile of users of one weight, in a process of its own."""
    calls = min(_MOST_CALLS, max(_FEWEST_CALLS, _VIEWS_IN_ALL // weight.views))
    arguments: list[str | Path] = [
        store / "store.db",
        str(weight.views),
        str(calls),
        *weight.user_ids,
    ]
    return float(output([PYTHON, HERE / "read_worker.py", *arguments]))

"""The plot of how cost grows with the page views in the store."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "behavstats"  # the same figures give the same file

from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402

_READS = {"read_10": "10 views", "read_100": "100 views", "read_10000": "10,000 views"}


def draw(growth: Sequence[dict[str, float]], target: Path) -> None:
    """Draw rate, size and read time by millions of page views into an SVG file."""
    figure, (rate, size, read) = plt.subplots(1, 3, figsize=(11, 3.2), layout="constrained")
    _line(rate, growth, "rate", 1_000, "ingest, 1,000 page views a second")
    _line(size, growth, "bytes", 1, "bytes a page view")
    for axes in (rate, size):
        axes.set_ylim(0, 1.1 * axes.get_ylim()[1])
    for key, label in _READS.items():
        _line(read, growth, key, 1, "a profile, µs", label)
    read.set_yscale("log")
    read.set_ylim(10, 20_000)
    read.legend(frameon=False, loc="upper center", ncols=2, fontsize="small")
    figure.savefig(target, metadata={"Date": None})
    plt.close(figure)


def _line(  # noqa: PLR0913, PLR0917
    axes: Axes,
    growth: Sequence[dict[str, float]],
    key: str,
    scale: float,
    title: str,
    label: str | None = None,
) -> None:
    millions = [row["views"] / 1e6 for row in growth]
    axes.plot(millions, [row[key] / scale for row in growth], marker="o", label=label)
    axes.set_title(title, fontsize="medium")
    axes.set_xlabel("million page views in the store")

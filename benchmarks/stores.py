"""The stores of ours that are read and served: made once a run, by the code as it is."""

import shutil
from functools import cached_property
from pathlib import Path

from datasets import Data, count_lines
from measure import output, peak_memory, size
from peers import BEHAVSTATS, ingest_command


class Stores:
    """The stores of one run, each in a folder of its own; `folder / "store.db"` is the file."""

    def __init__(self, data: Data) -> None:
        self.data = data
        self.folder = data.scale.folder / "stores"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    @cached_property
    def million(self) -> Path:
        """The million, and nothing else."""
        return self._made("million", self.data.million)

    @cached_property
    def live(self) -> Path:
        """As many in the two weeks before today, which servers answer for."""
        return self._made("live", self.data.live)

    @cached_property
    def weighed(self) -> Path:
        """The million, and users of each weight, the heaviest among them."""
        return self.copy(self.million, "weighed", self.data.weights, self.data.heaviest)

    @cached_property
    def small(self) -> Path:
        """100,000 page views, users of 10, 100 and 10,000 among them."""
        return self._made("small", self.data.small)

    @cached_property
    def large(self) -> Path:
        """20 million."""
        return self.large_growth[0]

    @cached_property
    def large_growth(self) -> tuple[Path, float, int, float]:
        """20 million, with the seconds, peak memory and bytes a view of their ingest."""
        return self.grown(self.data.large, "large")

    def grown(self, source: Path, name: str) -> tuple[Path, float, int, float]:
        """Ingest a file into a new store; return folder, seconds, peak memory, bytes a view."""
        folder = self.empty(name)
        taken, peak = peak_memory(ingest_command(source, folder))
        views = count_lines(source)
        BEHAVSTATS.check(folder, views)
        return folder, taken, peak, size(folder) / views

    def empty(self, name: str) -> Path:
        """Return a new folder; what had its name is gone."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    def copy(self, store: Path, name: str, *more: Path) -> Path:
        """Return a copy of a store, into which further files are ingested."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(store, folder)
        for source in more:
            output(ingest_command(source, folder))
        return folder

    def remove(self) -> None:
        """Delete all stores: some of them are large."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _made(self, name: str, *sources: Path) -> Path:
        folder = self.empty(name)
        for source in sources:
            output(ingest_command(source, folder))
        return folder

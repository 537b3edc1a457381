"""What every benchmark is given: the data, the stores, and where its results go."""

from dataclasses import dataclass

from datasets import Data, Scale
from load import Generator
from results import Results
from stores import Stores


@dataclass(frozen=True)
class Bench:
    """One run of the benchmarks; `pairs` is how many pairs each ratio is the median of."""

    data: Data
    stores: Stores
    results: Results
    load: Generator
    pairs: int

    @property
    def scale(self) -> Scale:
        """How much is measured with."""
        return self.data.scale

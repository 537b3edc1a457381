"""The store: one SQLite file and the verbs on it. All SQL stands in this package."""

from behavstats.store.erased import Erasures
from behavstats.store.erasing import Receipt
from behavstats.store.opening import files_of
from behavstats.store.progress import Checkpoint, SourceProgress, Step
from behavstats.store.rejects import Group, Selection, Totals, pieces
from behavstats.store.store import Store

__all__ = [
    "Checkpoint",
    "Erasures",
    "Group",
    "Receipt",
    "Selection",
    "SourceProgress",
    "Step",
    "Store",
    "Totals",
    "files_of",
    "pieces",
]

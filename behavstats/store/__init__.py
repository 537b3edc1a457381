"""The store: one SQLite file and the verbs on it. All SQL stands in this package."""

from behavstats.store.base import (
    Checkpoint,
    Group,
    Receipt,
    Selection,
    SourceProgress,
    Step,
    Totals,
    pieces,
)
from behavstats.store.sqlite.erased_users import Erasures
from behavstats.store.sqlite.files import files_of
from behavstats.store.sqlite.store import Store

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

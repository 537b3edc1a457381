"""The store: one SQLite file and the verbs on it. All SQL stands in this package."""

from behavstats.store.base import (
    Checkpoint,
    Group,
    OffsetUpdate,
    Receipt,
    Selection,
    SourceOffset,
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
    "OffsetUpdate",
    "Receipt",
    "Selection",
    "SourceOffset",
    "Store",
    "Totals",
    "files_of",
    "pieces",
]

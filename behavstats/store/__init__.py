"""The store: where page views, rejected lines and source offsets are kept.

`open_store` and `create_store` return a `Store` for an address. The engine behind the address is
imported only then, so importing this package for its types costs little.
"""

from collections.abc import Callable
from pathlib import Path

from behavstats.clock import system_clock
from behavstats.model.retention import Bounds
from behavstats.store.address import path_of
from behavstats.store.base import (
    EVERYTHING,
    Checkpoint,
    Erasures,
    Group,
    OffsetUpdate,
    Receipt,
    RejectedLines,
    Restored,
    Selection,
    SourceOffset,
    SourceOffsets,
    Statistics,
    Store,
    StoreMaintenance,
    StoreReader,
    StoreWriter,
    Totals,
    is_among,
    pieces,
)

__all__ = [
    "EVERYTHING",
    "Checkpoint",
    "Erasures",
    "Group",
    "OffsetUpdate",
    "Receipt",
    "RejectedLines",
    "Restored",
    "Selection",
    "SourceOffset",
    "SourceOffsets",
    "Statistics",
    "Store",
    "StoreMaintenance",
    "StoreReader",
    "StoreWriter",
    "Totals",
    "create_store",
    "is_among",
    "open_store",
    "pieces",
    "restore_store",
]

_DEFAULT_BOUNDS = Bounds()


def open_store(
    address: str | Path,
    lock_timeout: float,
    on_wait: Callable[[], None] = lambda: None,
    bounds: Bounds = _DEFAULT_BOUNDS,
    clock: Callable[[], int] = system_clock,
) -> Store:
    """Open the store at a path or an address such as `sqlite:///path`.

    A writer waits at most `lock_timeout` seconds for another one; `on_wait` is called if the wait
    is long. `bounds` limits the rejected lines that are kept; `clock` returns ms since the epoch.

    Raises NoStore, and creates nothing, if there is no store; NotAStore if there is something else;
    StoreUnavailable for an address of an unknown engine.
    """
    path = path_of(address)
    from behavstats.store.sqlite import opening

    return opening.open_store(path, lock_timeout, on_wait, bounds, clock)


def create_store(
    address: str | Path,
    lock_timeout: float,
    on_wait: Callable[[], None] = lambda: None,
    bounds: Bounds = _DEFAULT_BOUNDS,
    clock: Callable[[], int] = system_clock,
) -> Store:
    """Open the store at an address like `open_store`; create it if it does not exist."""
    path = path_of(address)
    from behavstats.store.sqlite import opening

    return opening.create_store(path, lock_timeout, on_wait, bounds, clock)


def restore_store(
    backup: Path,
    address: str | Path,
    lock_timeout: float,
    on_wait: Callable[[], None] = lambda: None,
) -> Restored:
    """Put a checked copy of a backup in the place of the store at an address.

    The replaced store is kept under another name. Raises BackupError, and changes nothing, if the
    backup cannot be used; StoreBusy if the store's lock is held for more than `lock_timeout`
    seconds.
    """
    path = path_of(address)
    from behavstats.store.sqlite.files import resolved
    from behavstats.store.sqlite.lock import StoreLock
    from behavstats.store.sqlite.restore import restore

    path = resolved(path)
    return restore(backup, path, StoreLock(path, lock_timeout, on_wait))

"""Maintenance of a store: refreshes rollups in short transactions, and checks for faults."""

import time
from collections.abc import Iterator
from contextlib import closing, suppress

from behavstats.errors import StoreBusy, StoreUnavailable
from behavstats.store.sqlite import deletion
from behavstats.store.sqlite.connection import Access
from behavstats.store.sqlite.rollup_refresh import has_stale_days, refresh_rollups

_AT_ONCE = 0.01  # seconds of one transaction, for which other writers wait


def refresh(store: Access, seconds: float) -> bool:
    """Compute missing rollups in short transactions, for about `seconds`.

    Runs at least one transaction if a rollup is missing; a transaction takes at least as long as
    one day of one user does. Finishes abandoned erasures first. Returns whether there may be more
    to do.
    """
    deadline = time.monotonic() + seconds
    deletion.finish_abandoned(store)
    with store.reading() as connection:  # without the lock, if there is nothing to do
        if not has_stale_days(connection):
            return False
    while True:
        with store.writing() as connection:
            more = refresh_rollups(connection, _AT_ONCE)
        if not more or time.monotonic() >= deadline:
            return more


def check(store: Access) -> Iterator[str]:
    """Finish abandoned erasures if possible, and yield a line for each fault of the store."""
    from behavstats.store.sqlite.integrity import check

    with suppress(StoreBusy, StoreUnavailable):  # the next writer finishes them otherwise
        deletion.finish_abandoned(store)
    with store.reading() as connection, closing(check(connection)) as faults:
        yield from faults

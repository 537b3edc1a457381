"""The lags of watched files, for the metrics of the server."""

from collections import Counter

from behavstats.store import Store
from behavstats.watch.tailed_file import up_to_date


def source_lags(store: Store) -> Counter[str]:
    """Return how many bytes of each watched file are not ingested yet, by the file's path.

    Files that are gone, and files whose name was erased, are left out. Raises StoreError.
    """
    lags = Counter[str]()
    for source in map(up_to_date, store.offsets.all()):
        if source.name is not None and source.device is not None:
            lags[source.name] += source.lag
    return lags

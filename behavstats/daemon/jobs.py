"""Background jobs that the server runs each second."""

import logging
import time
from collections.abc import Callable

from behavstats.errors import StoreBusy, StoreError
from behavstats.store import Store

_log = logging.getLogger(__name__)

_PAUSE = 1.0  # seconds between two rounds
_TRIM_SECONDS = 0.1  # for the rejected lines, in each round


def maintain(store: Store, clock: Callable[[], int]) -> None:
    """Each second, check the store's files, refresh rollups and trim rejected lines; never return.

    Rejected lines can exceed their age limit even if no request arrives. `clock` returns ms since
    the epoch. An error is logged once, until it changes or ends.
    """
    import behavstats.model.summary_vectorized  # noqa: F401  imports NumPy before a request waits

    last_error = ""
    while True:
        try:
            store.ensure_available()
            store.refresh_rollups(seconds=0)
            store.rejected.trim(clock(), seconds=_TRIM_SECONDS)
        except StoreBusy as error:
            _log.warning("rollups will be refreshed later: %s", error)
        except StoreError as error:
            if last_error != str(error):
                last_error = str(error)
                _log.error("%s", last_error)
        else:
            if last_error:
                last_error = ""
                _log.info("the store can be used again")
        time.sleep(_PAUSE)

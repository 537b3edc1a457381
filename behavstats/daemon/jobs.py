"""What the server does each second, beside answering requests."""

import logging
import time
from collections.abc import Callable

from behavstats.errors import StoreBusy, StoreError
from behavstats.store import Store

_log = logging.getLogger(__name__)

_SETTLING = 1.0  # seconds between two rounds
_TRIMMING = 0.1  # seconds of a round


def look_after(store: Store, clock: Callable[[], int]) -> None:
    """Each second, look whether the store's files are there, and make summaries for a moment.

    The rejected lines are kept within their bounds, too, beyond which time alone may lead. What is
    wrong is said once, and again where it is something else.
    """
    import behavstats.model.summary_vectorized  # noqa: F401  NumPy, now, and not while others wait

    trouble = ""
    while True:
        try:
            store.ensure_available()
            store.refresh_rollups(seconds=0)
            store.rejected.trim(clock(), seconds=_TRIMMING)
        except StoreBusy as error:
            _log.warning("summaries will be made later: %s", error)
        except StoreError as error:
            if trouble != str(error):
                trouble = str(error)
                _log.error("%s", trouble)
        else:
            if trouble:
                trouble = ""
                _log.info("the store can be used again")
        time.sleep(_SETTLING)

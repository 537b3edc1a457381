"""Changes in folders, as the operating system reports them."""

import logging
from collections.abc import Callable, Generator, Iterable

from behavstats.shutdown import Stop

_TICK = 250  # ms of waiting for changes
_DEBOUNCE = (200, 50)  # ms to gather changes: at most, and without another change

_log = logging.getLogger(__name__)
logging.getLogger("watchfiles").setLevel(logging.WARNING)  # it logs each change


def changes(
    folders: Iterable[str],
    is_wanted: Callable[[str], bool],
    stop: Stop,
    poll_seconds: float,
) -> Generator[set[str] | None, None, None]:
    """Yield the wanted paths that changed in some folders, or an empty set if nothing changed.

    If the operating system cannot report changes, yields None each `poll_seconds`. Ends if a folder
    is gone.
    """
    from watchfiles import watch

    at_most, quiet = _DEBOUNCE
    try:
        for changed in watch(
            *folders,
            watch_filter=None,  # with a filter, it would yield nothing after unwanted changes
            debounce=at_most,
            step=quiet,
            stop_event=stop,
            rust_timeout=_TICK,
            yield_on_timeout=True,
            raise_interrupt=False,
            recursive=False,
            ignore_permission_denied=True,
        ):
            yield {path for _, path in changed if is_wanted(path)}
    except FileNotFoundError:
        stop.wait(_TICK / 1000)
    except (OSError, RuntimeError) as error:  # most likely the limit of watches is reached
        _log.warning("the system cannot report changes (%s); scanning for them instead", error)
        while not stop.is_set():
            stop.wait(poll_seconds)
            yield None

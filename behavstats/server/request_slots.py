"""Request slots: limit how many requests are in progress, and end slow ones to make room."""

import asyncio
import math
import time

from behavstats.errors import BehavstatsError, Overloaded, SlowClient

_MOST_REQUESTS = 1_000  # in progress
_MOST_UNAUTHENTICATED = 500  # of those, while their bodies are received
_SECONDS_TO_SEND = 60.0
_SECONDS_TO_KEEP_SLOT = 2.0  # after which a slot is ended early if all slots are in use
_CROWDED = "too many requests are in progress"

_Waiting = dict[asyncio.Timeout, float]  # when each slot began (monotonic), the oldest first


class RequestSlots:
    """Counts the requests in progress, and limits those whose bodies are being received.

    A slot is the time-out of a request whose body is being received. If there are too many
    requests, the oldest slot is ended early, unless it has just begun. So slow clients cannot keep
    others out.
    """

    def __init__(self) -> None:
        self.count = 0
        # A slot that was ended early is in neither of these.
        self._authenticated: _Waiting = {}
        self._unauthenticated: _Waiting = {}

    def enter(self) -> None:
        """Count one more request."""
        self.count += 1

    def leave(self) -> None:
        """Count one request fewer."""
        self.count -= 1

    def check_room(self) -> None:
        """Raise Overloaded if a request with a body would get no slot now."""
        is_full = self.count > _MOST_REQUESTS
        if is_full and _overdue(self._unauthenticated, self._authenticated) is None:
            raise Overloaded(_CROWDED)

    def take(self, *, is_authenticated: bool) -> asyncio.Timeout:
        """Return a slot for a request that has entered; the caller gives it back.

        Raises Overloaded if no slot is free and no other slot may be ended early. An
        unauthenticated request ends the slots of other unauthenticated ones only.
        """
        waiting = self._authenticated if is_authenticated else self._unauthenticated
        is_share_full = not is_authenticated and len(waiting) >= _MOST_UNAUTHENTICATED
        if is_share_full or self.count > _MOST_REQUESTS:
            self._make_room(is_authenticated=is_authenticated)
        slot = asyncio.timeout(_SECONDS_TO_SEND)
        waiting[slot] = time.monotonic()
        return slot

    def give_back(self, slot: asyncio.Timeout) -> None:
        """End a slot; its request continues, and is counted until it leaves."""
        for waiting in (self._authenticated, self._unauthenticated):
            if waiting.pop(slot, None) is not None:
                return
        self.count += 1  # `_make_room` ended the slot and stopped counting the request

    def expiry_error(self, slot: asyncio.Timeout) -> BehavstatsError:
        """Return the error that says why a slot has expired, before the slot is given back."""
        is_held = slot in self._authenticated or slot in self._unauthenticated
        return SlowClient(_SECONDS_TO_SEND) if is_held else Overloaded(_CROWDED)

    def _make_room(self, *, is_authenticated: bool) -> None:
        queues = [self._unauthenticated]
        if is_authenticated:
            queues.append(self._authenticated)
        waiting = _overdue(*queues)
        if waiting is None:
            raise Overloaded(_CROWDED)
        slot = next(iter(waiting))
        del waiting[slot]
        self.count -= 1
        if not slot.expired():
            slot.reschedule(0)  # a time long ago, so that it expires at once


def _overdue(*queues: _Waiting) -> _Waiting | None:
    """Return the queue whose first slot is the oldest, if that slot may be ended early."""
    oldest = min(queues, key=_first_since)
    latest = time.monotonic() - _SECONDS_TO_KEEP_SLOT
    return oldest if _first_since(oldest) < latest else None


def _first_since(waiting: _Waiting) -> float:
    # The copy is atomic: readiness is checked in a thread, while the event loop changes the queue.
    return next(iter([*waiting.values()]), math.inf)

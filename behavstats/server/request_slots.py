"""Request slots: how many requests may be under way, and which one makes room for another."""

import asyncio
import math
import time

from behavstats.errors import BehavstatsError, Overloaded, SlowClient

_MOST_REQUESTS = 1_000  # under way
_MOST_UNAUTHENTICATED = 500  # of those, while their bodies come in
_SECONDS_TO_SEND = 60.0
_SECONDS_TO_KEEP_SLOT = 2.0  # while a body comes in; then it makes room if all slots are taken
_CROWDED = "too many requests are under way"

_Waiting = dict[asyncio.Timeout, float]  # since when (monotonic), the longest first


class RequestSlots:
    """Counts the requests under way, and limits those whose bodies come in.

    A slot is the time-out of a request whose body comes in. If there are too many requests, the
    slot that is oldest expires early, unless it is fresh. So slow clients cannot keep others out.
    """

    def __init__(self) -> None:
        self.count = 0
        # Slots that had to make room are in neither any more.
        self._authenticated: _Waiting = {}
        self._unauthenticated: _Waiting = {}

    def enter(self) -> None:
        """Count one more request."""
        self.count += 1

    def leave(self) -> None:
        """Count one request less."""
        self.count -= 1

    def check_room(self) -> None:
        """Raise Overloaded if no more requests with a body are taken now."""
        is_full = self.count > _MOST_REQUESTS
        if is_full and _overdue(self._unauthenticated, self._authenticated) is None:
            raise Overloaded(_CROWDED)

    def take(self, *, is_authenticated: bool) -> asyncio.Timeout:
        """Return a slot for a request that has entered, to be given back.

        Raises Overloaded if no slot is free and none makes room. An unauthenticated request only
        takes the place of another one.
        """
        waiting = self._authenticated if is_authenticated else self._unauthenticated
        is_share_full = not is_authenticated and len(waiting) >= _MOST_UNAUTHENTICATED
        if is_share_full or self.count > _MOST_REQUESTS:
            self._make_room(is_authenticated=is_authenticated)
        slot = asyncio.timeout(_SECONDS_TO_SEND)
        waiting[slot] = time.monotonic()
        return slot

    def give_back(self, slot: asyncio.Timeout) -> None:
        """End a slot; its request goes on, and is counted until it leaves."""
        for waiting in (self._authenticated, self._unauthenticated):
            if waiting.pop(slot, None) is not None:
                return
        self.count += 1  # it has made room

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
            slot.reschedule(0)  # long ago: at once


def _overdue(*queues: _Waiting) -> _Waiting | None:
    """Return the queue whose first slot is the oldest, if that slot has to make room."""
    oldest = min(queues, key=_first_since)
    latest = time.monotonic() - _SECONDS_TO_KEEP_SLOT
    return oldest if _first_since(oldest) < latest else None


def _first_since(waiting: _Waiting) -> float:
    # Of a copy, which is made at once: readiness is checked in a thread, while the loop changes it.
    return next(iter([*waiting.values()]), math.inf)

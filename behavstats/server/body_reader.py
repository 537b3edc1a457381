"""Reading the bodies of requests, within limits of number, bytes and time."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from behavstats.errors import InvalidInput, Overloaded, TooLarge
from behavstats.server.body import MAX_BODY_BYTES
from behavstats.server.request import Request
from behavstats.server.request_slots import RequestSlots

_MOST_HELD = 64 * 1024 * 1024  # bytes of all bodies
_MOST_HELD_UNAUTHENTICATED = 32 * 1024 * 1024
_SMALL = 16 * 1024  # bytes; a body that is not longer may exceed these limits
_MOST_DRAINED = 16 * 1024 * 1024  # bytes of an answered request that are read and dropped
_SECONDS_TO_DRAIN = 60.0

Receive = Callable[[], Awaitable[Mapping[str, Any]]]


class BodyReader:
    """Reads bodies, and counts the bytes of them that are in memory."""

    def __init__(self, slots: RequestSlots) -> None:
        self._slots = slots
        self.held = 0
        self._held_unauthenticated = 0

    async def read(self, request: Request, receive: Receive) -> None:
        """Read the body of a request into `request.body`; it is held until it is dropped.

        Raises Overloaded, SlowClient, TooLarge as soon as the body is seen to be too long, and
        InvalidInput if the client closes the connection before the end.
        """
        slot = self._slots.take(is_authenticated=request.is_authenticated)
        try:
            async with slot:
                await self._receive(request, receive)
        except TimeoutError:
            request.more_body = False  # the rest is not read any more
            raise self._slots.expiry_error(slot) from None
        finally:
            self._slots.give_back(slot)

    def drop(self, request: Request) -> None:
        """Drop the body of a request, and stop counting its bytes."""
        if request.body:
            self._count(request, -len(request.body))
            request.body = b""

    async def _receive(self, request: Request, receive: Receive) -> None:
        while request.more_body:
            message = await receive()
            if message["type"] != "http.request":  # the client may still read an answer
                request.more_body = False
                raise InvalidInput("incomplete_body", "the request was not complete")
            request.more_body = message.get("more_body", False)
            part = message.get("body", b"")[: MAX_BODY_BYTES + 1 - len(request.body)]
            self._hold(request, part)
            if len(request.body) > MAX_BODY_BYTES:
                raise TooLarge("body", MAX_BODY_BYTES)
        request.body = bytes(request.body)

    def _hold(self, request: Request, part: bytes) -> None:
        size = len(part)
        if len(request.body) + size > _SMALL and not self._has_room(request, size):
            raise Overloaded("the requests in progress have too many bytes")
        if not request.body:
            request.body = part
        elif isinstance(request.body, bytes):
            request.body = bytearray(request.body) + part
        else:
            request.body += part
        self._count(request, size)

    def _has_room(self, request: Request, size: int) -> bool:
        """Return whether `size` more bytes of a request may be held."""
        if self.held + size > _MOST_HELD:
            return False
        limit = _MOST_HELD_UNAUTHENTICATED
        return request.is_authenticated or self._held_unauthenticated + size <= limit

    def _count(self, request: Request, size: int) -> None:
        self.held += size
        if not request.is_authenticated:
            self._held_unauthenticated += size


async def drain(receive: Receive) -> None:
    """Read and drop the rest of an answered request, up to a limit.

    Many clients read the answer only after they have sent everything. Beyond the limit, the
    connection is closed.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(_SECONDS_TO_DRAIN):
            length, more = 0, True
            while more and length < _MOST_DRAINED:
                message = await receive()
                length += len(message.get("body", b""))
                more = message.get("more_body", False)

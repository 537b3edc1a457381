"""Rendering: the one place that turns a response or an error into an answer."""

import logging
from typing import NamedTuple

import msgspec

from behavstats.errors import (
    AccessDenied,
    BehavstatsError,
    InvalidInput,
    NotAuthenticated,
    NothingThere,
    SlowClient,
    StoreError,
    TooLarge,
    UnknownUser,
    detached,
)
from behavstats.server.auth import Scope
from behavstats.server.origins import Origins
from behavstats.server.request import Request, Response
from behavstats.server.routes import Route
from behavstats.server.schemas import Failure

_RETRY_AFTER = 1  # seconds after which a client should try again
_NO_CONTENT = 204
# No cache may keep an answer, and no browser may guess another content type.
_ALWAYS = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
_SAME_ORIGIN = (b"cross-origin-resource-policy", b"same-origin")

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode


class NotFound(BehavstatsError):
    """No route has this path."""

    code = "not_found"

    def __init__(self, path: str) -> None:
        super().__init__(f"there is nothing at {path}")


class MethodNotAllowed(BehavstatsError):
    """There are routes with this path, but none with this method; `allowed` lists their methods."""

    code = "method_not_allowed"

    def __init__(self, method: str, path: str, allowed: str) -> None:
        super().__init__(f"{method} is not allowed at {path}")
        self.allowed = allowed


# The first class that matches an error decides.
_STATUS: dict[type[BehavstatsError], int] = {
    TooLarge: 413,
    InvalidInput: 400,
    NotAuthenticated: 401,
    AccessDenied: 403,
    SlowClient: 408,
    UnknownUser: 404,
    NothingThere: 404,
    NotFound: 404,
    MethodNotAllowed: 405,
    StoreError: 503,
}


class Rendered(NamedTuple):
    """An answer as it is sent: status, headers and content."""

    status: int
    headers: list[tuple[bytes, bytes]]
    content: bytes


class Renderer:
    """Renders answers, with the headers that let scripts of some origins read them."""

    def __init__(self, origins: Origins) -> None:
        self._origins = origins

    def render(
        self, request: Request, route: Route | None, result: Response | Exception
    ) -> Rendered:
        """Encode the answer to a request: its response, or the error that ended it.

        `route` is None if no route matches. An unexpected error is logged, and the answer does not
        show its text. Errors lose their tracebacks, which could keep a body in memory.
        """
        response = result if isinstance(result, Response) else _failed(result, request)
        try:
            return self._encoded(request, route, response)
        except Exception as error:  # a value that JSON cannot show, for example
            return self._encoded(request, route, _failed(error, request))

    def _encoded(self, request: Request, route: Route | None, response: Response) -> Rendered:
        body, content_type, status, extra = response
        content = body if isinstance(body, bytes) else _encode(body)
        headers = [*_ALWAYS, (b"x-request-id", request.id.encode())]
        if status != _NO_CONTENT:
            headers.append((b"content-type", content_type.encode()))
            headers.append((b"content-length", b"%d" % len(content)))
        if route is not None:
            self._add_access(headers, route, request)
        for name, value in extra.items():
            headers.append((name.lower().encode(), value.encode("latin-1")))
        return Rendered(status, headers, b"" if request.method == "HEAD" else content)

    def _add_access(
        self, headers: list[tuple[bytes, bytes]], route: Route, request: Request
    ) -> None:
        """Add the headers that say which web pages may read the answer."""
        if route.scope is not Scope.SENDING:  # pages of any site may load the answer to a beacon
            headers.append(_SAME_ORIGIN)
        origin = request.headers.get("origin")
        if origin is None:
            return
        allowed = self._origins.allowed(route.scope, origin)
        if allowed is not None:
            headers += (
                (b"access-control-allow-origin", allowed.encode("latin-1")),
                (b"access-control-expose-headers", b"Retry-After, X-Request-Id"),
                (b"vary", b"Origin"),
            )


def _failed(error: Exception, request: Request) -> Response:
    """Return the response that describes an error; log the error if the server is the cause."""
    status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)
    extra = {"request_id": request.id}
    if not isinstance(error, BehavstatsError) or status == 500:
        _log.error("a request failed", exc_info=error, extra=extra)
        detached(error)
        return Response(Failure("internal_error", "internal error"), status=500)
    detached(error)
    headers = {}
    if status == 503:
        _log.warning("the store cannot take a request now: %s", error, extra=extra)
        headers["retry-after"] = str(_RETRY_AFTER)
    elif status == 401:
        headers["www-authenticate"] = 'Bearer realm="behavstats"'
    elif isinstance(error, MethodNotAllowed):
        headers["allow"] = error.allowed
    return Response(Failure.of(error), status=status, headers=headers)

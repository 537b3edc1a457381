"""The HTTP interface: a Bottle application with the routes, rights and errors of the contract."""

import logging
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import bottle
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
from behavstats.server.admission import Admission
from behavstats.server.asgi import FAILED, REQUEST_ID
from behavstats.server.auth import Scope
from behavstats.server.handlers import Handlers, Text
from behavstats.server.origins import Origins
from behavstats.server.query import check_query
from behavstats.server.routes import ROUTES, Failure, Route

RETRY_AFTER = 1
"""Seconds after which a client is asked to try again, where the store cannot take it now."""

# The first kind that fits counts.
_STATUS: dict[type[BehavstatsError], int] = {
    TooLarge: 413,
    InvalidInput: 400,
    NotAuthenticated: 401,
    AccessDenied: 403,
    SlowClient: 408,
    UnknownUser: 404,
    NothingThere: 404,
    StoreError: 503,
}
_CODES = {404: "not_found", 405: "method_not_allowed"}
# Any character may stand in a user id: a slash, and even a newline, which `.` leaves out.
_PATTERNS = {"{user_id}": "<user_id:re:(?s:.*)>", "{key}": "<key:re:.+>", "{file}": "<file>"}
_HEADER_NAMES = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,1000}")
_SECONDS_OF_PREFLIGHT = 7200  # the most for which browsers remember one

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode


def make_app(answers: Handlers, admission: Admission, origins: Origins) -> bottle.Bottle:
    """Return the application that gives answers to those who may have them."""
    app = bottle.Bottle()
    app.uninstall("json")
    app.default_error_handler = _http_error
    for route in ROUTES:
        path = route.path
        for name, pattern in _PATTERNS.items():
            path = path.replace(name, pattern)
        admit = _admitting(route, admission, origins)
        answer = _answering(admit, partial(getattr(answers, route.answer), route))
        app.route(path, route.method, answer, name=route.path)
        if route.takes:  # the browser asks first, without a key
            preflight = _answering(partial(_grant, origins), lambda: Text("text/plain", b""))
            app.route(path, "OPTIONS", preflight, name=route.path)
    app.route("/", "GET", _lead_to_docs, name="/")
    return app


def _lead_to_docs() -> bytes:
    """Lead a person who looks what is here to the page that says it; also behind a prefix."""
    if bottle.request.environ["bottle.raw_path"] != "/":  # Bottle drops what is not UTF-8
        return _http_error(bottle.HTTPError(404))
    bottle.response.status = 303
    bottle.response.set_header("Location", "docs")
    return _shown(Text("text/plain", b"see docs\n"))


def _answering(
    admit: Callable[[dict[str, str]], object], answer: Callable[..., Any]
) -> Callable[..., bytes]:
    """Turn what a method returns, or the error that it or `admit` raises, into an answer."""

    def respond(**arguments: str) -> bytes:
        try:
            admit(arguments)
            return _shown(answer(**arguments))
        except tuple(_STATUS) as error:
            detached(error)  # else its frames would hold the body while a commit is waited for
            return _refused(error)
        except Exception as error:
            _log.exception("a request failed", extra=_request_id())
            detached(error)
            return _failed(500, Failure("internal_error", "internal error"))

    return respond


def _admitting(
    route: Route, admission: Admission, origins: Origins
) -> Callable[[Mapping[str, str]], None]:
    """Return a check that raises an error unless the client may have the answer."""
    scope, known = route.scope, route.in_query
    is_sending = scope is Scope.SENDING

    def admit(arguments: Mapping[str, str]) -> None:
        environ = bottle.request.environ
        if not is_sending:  # a beacon's answer is taken by the browser, of whatever site
            bottle.response.set_header("Cross-Origin-Resource-Policy", "same-origin")
        origin = environ.get("HTTP_ORIGIN")
        if origin is not None:
            _allow_to_read(origins.allowed(scope, origin))
        if FAILED in environ:
            raise environ[FAILED]
        admission.check(route, environ, arguments.get("key"))
        if not is_sending:  # clients and browsers may add to a query what is theirs
            check_query(environ, known)

    return admit


def _grant(origins: Origins, _: Mapping[str, str]) -> None:
    """Answer a browser's preflight: whether a page of another origin may send, and how."""
    environ, response = bottle.request.environ, bottle.response
    origins.check(Scope.SENDING, environ)
    origin = origins.allowed(Scope.SENDING, environ.get("HTTP_ORIGIN"))
    if origin is None:
        raise AccessDenied("pages of this origin may not send")
    _allow_to_read(origin)
    response.status = 204
    response.set_header("Access-Control-Allow-Methods", "POST")
    # Whatever it is that a client sends along: no header gives a right, but that with the key.
    asked = environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS")
    if asked is not None and _HEADER_NAMES.fullmatch(asked):
        response.set_header("Access-Control-Allow-Headers", asked)
    response.set_header("Access-Control-Max-Age", str(_SECONDS_OF_PREFLIGHT))


def _allow_to_read(origin: str | None) -> None:
    """Let a script of an origin read the answer."""
    if origin is not None:
        response = bottle.response
        response.set_header("Access-Control-Allow-Origin", origin)
        response.set_header("Access-Control-Expose-Headers", "Retry-After, X-Request-Id")
        response.set_header("Vary", "Origin")


def _shown(value: object) -> bytes:
    if isinstance(value, Text):
        bottle.response.content_type = value.content_type
        for name, header in value.headers.items():
            bottle.response.set_header(name, header)
        return value.body
    bottle.response.content_type = "application/json"
    return _encode(value)


def _refused(error: BehavstatsError) -> bytes:
    status = next(status for kind, status in _STATUS.items() if isinstance(error, kind))
    if status == 503:
        _log.warning("the store cannot take a request now: %s", error, extra=_request_id())
        bottle.response.set_header("Retry-After", str(RETRY_AFTER))
    if status == 401:
        bottle.response.set_header("WWW-Authenticate", 'Bearer realm="behavstats"')
    return _failed(status, Failure.of(error))


def _request_id() -> dict[str, str | None]:
    """Return by what its line of the access log is found."""
    return {"request_id": bottle.request.environ.get(REQUEST_ID)}


def _http_error(error: bottle.HTTPError) -> bytes:
    """Answer what no route was found for; the headers (`Allow`) are set already."""
    status = error.status_code
    path, method = bottle.request.path, bottle.request.method
    messages = {404: f"there is nothing at {path}", 405: f"{method} is not possible at {path}"}
    code, message = _CODES.get(status, "http_error"), messages.get(status, error.status)
    return _failed(status, Failure(code, message))


def _failed(status: int, failure: Failure) -> bytes:
    bottle.response.status = status
    return _shown(failure)

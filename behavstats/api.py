"""The HTTP interface: a Bottle application that parses, calls the store, and answers JSON."""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from urllib.parse import unquote_plus

import bottle

from behavstats.errors import BehavstatsError, InvalidInput, StoreError, TooLarge, UnknownUser
from behavstats.events import PageView, check_user_id, decode_event
from behavstats.gateway import DURABLE, FAILED
from behavstats.instants import parse_instant
from behavstats.profile import Window, detailed_profile, encode, profile, window
from behavstats.store import Store

MAX_BODY_BYTES = 1024 * 1024
RETRY_AFTER = 1
"""Seconds after which a client is asked to try again, where the store cannot take it now."""

# The first kind that fits counts.
_STATUS: dict[type[BehavstatsError], int] = {
    TooLarge: 413,
    InvalidInput: 400,
    UnknownUser: 404,
    StoreError: 503,
}
_CODES = {404: "not_found", 405: "method_not_allowed"}
# Any character may stand in a user id: a slash, and even a newline, which `.` leaves out.
_USER = "/v1/user/<user_id:re:(?s:.*)>"

_DAYS = re.compile(r"[0-9]{1,3}")

_log = logging.getLogger(__name__)


def make_app(
    store: Store, add: Callable[[Sequence[PageView]], object], clock: Callable[[], int]
) -> bottle.Bottle:
    """Return the application on a store.

    `add` stores page views; what it returns is left for the gateway to wait for. `clock` returns ms
    since the epoch.
    """
    app = bottle.Bottle()
    app.uninstall("json")
    app.default_error_handler = _http_error
    app.install(_answering)

    @app.post("/v1/page")
    def post_page() -> dict[str, object]:
        bottle.request.environ[DURABLE] = add([decode_event(_body(), clock())])
        return {"success": True}

    @app.get(_USER)
    def get_user(user_id: str) -> dict[str, object]:
        query = _query()
        wanted, detailed = _window(query, clock), _flag(query, "detail")
        summary = store.summary(_checked(user_id), wanted)
        if detailed:
            return detailed_profile(user_id, summary, wanted)
        return profile(user_id, summary, wanted.days)

    @app.delete(_USER)
    def delete_user(user_id: str) -> dict[str, object]:
        receipt = store.forget(_checked(user_id))
        return {"success": True, **receipt._asdict()}

    @app.get("/healthz")
    def get_health() -> dict[str, object]:
        store.check_readable()
        return {"success": True}

    return app


def _answering(callback: Callable[..., dict[str, object]]) -> Callable[..., bytes]:
    """Turn what a route returns, or the error it raises, into a JSON answer (a Bottle plugin)."""

    @wraps(callback)
    def answer(**arguments: str) -> bytes:
        try:
            _raise_failed()
            return _json(200, callback(**arguments))
        except tuple(_STATUS) as error:
            status = next(status for kind, status in _STATUS.items() if isinstance(error, kind))
            if status == 503:
                _log.warning("the store cannot take a request now: %s", error)
                bottle.response.set_header("Retry-After", str(RETRY_AFTER))
            return _failure(status, error.code, str(error), getattr(error, "field", None))
        except Exception:
            _log.exception("a request failed")
            return _failure(500, "internal_error", "internal error")

    return answer


def _raise_failed() -> None:
    failed = bottle.request.environ.get(FAILED)
    if failed is not None:
        raise failed


def _http_error(error: bottle.HTTPError) -> bytes:
    """Answer what no route was found for; the headers (`Allow`) are set already."""
    status = error.status_code
    path, method = bottle.request.path, bottle.request.method
    messages = {404: f"there is nothing at {path}", 405: f"{method} is not possible at {path}"}
    return _failure(status, _CODES.get(status, "http_error"), messages.get(status, error.status))


def _failure(status: int, code: str, message: str, field: str | None = None) -> bytes:
    named = {} if field is None else {"field": field}
    return _json(status, {"success": False, "code": code, "message": message, **named})


def _json(status: int, value: dict[str, object]) -> bytes:
    if status != 200:
        bottle.response.status = status
    bottle.response.content_type = "application/json"
    return encode(value)


def _body() -> bytes:
    # Not `request.body`, which puts what is over 100 KB into a file in /tmp.
    body: bytes = bottle.request.environ["wsgi.input"].read(MAX_BODY_BYTES + 1)
    if len(body) > MAX_BODY_BYTES:
        raise TooLarge(MAX_BODY_BYTES)
    return body


def _checked(user_id: str) -> str:
    # Bottle drops the bytes of a path that are not UTF-8: what is left is another user's id.
    try:
        bottle.request.environ["bottle.raw_path"].encode("latin-1").decode()
    except UnicodeDecodeError:
        raise InvalidInput("invalid_user_id", "user_id is not UTF-8", "user_id") from None
    return check_user_id(user_id)


def _window(query: Mapping[str, str], clock: Callable[[], int]) -> Window:
    days, as_of = query.get("days", "7"), query.get("as_of")
    if not _DAYS.fullmatch(days):
        raise InvalidInput("invalid_days", f"days is not a whole number: {days!r}", "days")
    # A blank can only come from the plus sign of an offset that was not percent-encoded.
    instant = clock() if as_of is None else parse_instant(as_of.replace(" ", "+"), "as_of")
    return window(instant, int(days))


def _flag(query: Mapping[str, str], name: str) -> bool:
    text = query.get(name, "false")
    if text not in ("true", "false"):
        raise InvalidInput(f"invalid_{name}", f"{name} is neither true nor false", name)
    return text == "true"


def _query() -> dict[str, str]:
    # Not `request.query`, which takes a value that is not UTF-8 for one that is not there; and not
    # `parse_qsl`, which takes as long as reading a profile.
    text = bottle.request.query_string
    pairs = (pair.partition("=") for pair in text.split("&")) if text else ()
    return {unquote_plus(name): unquote_plus(value) for name, _, value in pairs}

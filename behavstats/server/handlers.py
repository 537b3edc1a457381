"""The answers: for each route of the contract, a method that parses, calls the store, returns.

What it returns is a value to be shown as JSON, or a text with its content type; what goes wrong is
raised.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import bottle
from msgspec import Raw

from behavstats.decode.segment import Arrival, clock_behind
from behavstats.errors import InvalidInput, TooLarge
from behavstats.model.page_view import check_user_id
from behavstats.model.profile import MAX_DAYS, Profile, Window, detailed_profile, profile, window
from behavstats.model.timestamps import format_instant, parse_instant
from behavstats.server import openapi, swagger_ui
from behavstats.server.asgi import INTAKE
from behavstats.server.auth import Keys, Scope, credential
from behavstats.server.metrics import CONTENT_TYPE, Metrics
from behavstats.server.payload import (
    MAX_BODY_BYTES,
    Lines,
    Payload,
    open_batch,
    open_envelope,
    open_lines,
    parse_payload,
    text_of,
)
from behavstats.server.query import query_of
from behavstats.server.routes import (
    Counted,
    Done,
    Erased,
    Integrations,
    Project,
    Route,
    SegmentIntegration,
)
from behavstats.store import Store

_NDJSON = ("ndjson", "jsonl", "json-lines", "jsonlines")  # in a content type
_SENDER = "behavstats.sender"
_DAYS = re.compile(r"[0-9]{1,9}")


class Text(NamedTuple):
    """An answer that is text already."""

    content_type: str
    body: bytes
    headers: Mapping[str, str] = {}


class Handlers:
    """The routes on a store."""

    def __init__(
        self,
        store: Store,
        keys: Keys,
        metrics: Metrics,
        check_room: Callable[[], object],
        clock: Callable[[], int],
    ) -> None:
        """`check_room` raises StoreError where no page views can be taken now.

        `clock` returns ms since the epoch.
        """
        self._store = store
        self._keys = keys
        self._metrics = metrics
        self._check_room = check_room
        self._clock = clock

    def post_message(self, route: Route) -> Done:
        """Take a single message; the answer is true once it is durable."""
        text = self._sent()
        if not text.strip():
            raise InvalidInput("invalid_json", "the body is empty")
        self._take(route, [text], Arrival(self._clock(), kind=route.kind))
        return Done()

    def post_batch(self, route: Route) -> Counted:
        """Take the messages of a batch; the answer is true once all of them are durable."""
        text = self._sent()
        now = self._clock()
        try:
            batch = open_batch(text)
        except InvalidInput as error:
            lines = _lines(text, error)
            payload = self._take(route, lines.messages, Arrival(now), lines.numbers)
        else:
            arrival = Arrival(now, clock_behind(now, batch.sent))
            payload = self._take(route, batch.batch, arrival)
        return Counted(
            page_views=len(payload.views),
            others=payload.non_page_messages.total(),
            rejected=len(payload.rejections),
        )

    def get_user(self, _: Route, user_id: str) -> Profile:
        """Read a profile."""
        query = query_of(bottle.request.environ)
        wanted, detailed = self._window(query), _flag(query, "detail")
        summary = self._store.summary(_checked(user_id), wanted)
        if detailed:
            return detailed_profile(user_id, summary, wanted)
        return profile(user_id, summary, wanted.days)

    def delete_user(self, _: Route, user_id: str) -> Erased:
        """Erase a user."""
        return Erased(**self._store.forget(_checked(user_id))._asdict())

    def get_project(self, _: Route, key: str) -> Project:
        """Tell Segment's client for browsers to send to the address that it asked."""
        environ = bottle.request.environ
        forwarded, _, _ = environ.get("HTTP_X_FORWARDED_PROTO", "").partition(",")
        secure = "https" in (environ["wsgi.url_scheme"], forwarded)
        here = SegmentIntegration(
            api_key=key,
            api_host=f"{environ.get('HTTP_HOST', '')}/v1",
            protocol="https" if secure else "http",
        )
        return Project(Integrations(here))

    def get_health(self, _: Route) -> Done:
        """Say that the store can be read."""
        self._store.check_readable()
        return Done()

    def get_readiness(self, _: Route) -> Done:
        """Say that page views can be taken now, too."""
        self._check_room()
        self._store.check_writable()  # opens the store anew where it was replaced
        self._store.check_readable()
        return Done()

    def get_metrics(self, _: Route) -> Text:
        """Show what was counted."""
        return Text(CONTENT_TYPE, self._metrics.text())

    def get_openapi(self, _: Route) -> Text:
        """Show the contract to a machine."""
        now = format_instant(self._clock())
        return Text("application/json", openapi.encoded(now, has_keys=bool(self._keys)))

    def get_docs(self, _: Route) -> Text:
        """Show the contract to a person."""
        return Text("text/html; charset=utf-8", swagger_ui.PAGE, swagger_ui.HEADERS)

    def get_docs_file(self, _: Route, file: str) -> Text:
        """Show a file of that page."""
        content_type, packed = swagger_ui.file(file)
        return Text(content_type, packed, {**swagger_ui.HEADERS, "Content-Encoding": "gzip"})

    def _sent(self) -> bytes:
        """Return the body of a request, decompressed, of somebody who may send."""
        environ = bottle.request.environ
        body: bytes = environ["wsgi.input"].read(MAX_BODY_BYTES + 1)
        if len(body) > MAX_BODY_BYTES:
            raise TooLarge("body", MAX_BODY_BYTES)
        text = text_of(body)
        if self._keys:
            key = credential(environ, query_of(environ))
            if key is None:
                key = open_envelope(text).key
                self._keys.check(Scope.SENDING, key)
            environ[_SENDER] = self._keys.sender(key)
        return text

    def _take(
        self,
        route: Route,
        messages: Sequence[bytes | Raw],
        arrival: Arrival,
        numbers: Sequence[int] | None = None,
    ) -> Payload:
        """Decode messages and have them stored before the answer; InvalidInput if none is good.

        Also then, the answer waits until what was rejected is kept.
        """
        environ = bottle.request.environ
        if _SENDER in environ:
            arrival = arrival._replace(sender=environ[_SENDER])
        payload = parse_payload(f"{route.method} {route.path}", messages, arrival, numbers)
        environ[INTAKE] = payload
        if payload.reason is not None:
            raise InvalidInput(*payload.reason)
        if not messages:
            raise InvalidInput("nothing_sent", "there is no message")
        return payload

    def _window(self, query: Mapping[str, str]) -> Window:
        days, as_of = query.get("days", "7"), query.get("as_of")
        if not _DAYS.fullmatch(days):
            message = f"days must be a whole number from 1 to {MAX_DAYS}"
            raise InvalidInput("invalid_days", message, "days")
        # A blank can only come from the plus sign of an offset that was not percent-encoded.
        now = self._clock()
        instant = now if as_of is None else parse_instant(as_of.replace(" ", "+"), "as_of")
        return window(instant, int(days))


def _lines(text: bytes, error: InvalidInput) -> Lines:
    """Return the lines of a body that is no batch; the error that says so, if it has none."""
    kind = bottle.request.environ.get("HTTP_CONTENT_TYPE", "").lower()
    are_told = any(name in kind for name in _NDJSON)
    lines = open_lines(text, are_told=are_told)
    if lines is None:
        raise error
    return lines


def _checked(user_id: str) -> str:
    # Bottle drops the bytes of a path that are not UTF-8: what is left is another user's id.
    try:
        bottle.request.environ["bottle.raw_path"].encode("latin-1").decode()
    except UnicodeDecodeError:
        raise InvalidInput("invalid_user_id", "user_id is not UTF-8", "user_id") from None
    return check_user_id(user_id)


def _flag(query: Mapping[str, str], name: str) -> bool:
    text = query.get(name, "false")
    if text not in ("true", "false"):
        raise InvalidInput(f"invalid_{name}", f"{name} is neither true nor false", name)
    return text == "true"

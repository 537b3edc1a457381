"""The answers: for each operation of the contract, a method that parses, calls the store, returns.

What it returns is a value to be shown as JSON, or a text with its content type; what goes wrong is
raised.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

import bottle
from msgspec import Raw

from behavstats import docs
from behavstats.access import Keys, Need, given_key
from behavstats.contract import (
    Counted,
    Done,
    Erased,
    Integrations,
    Operation,
    Project,
    SegmentIntegration,
)
from behavstats.errors import InvalidInput, TooLarge
from behavstats.events import Arrival, check_user_id, clock_behind
from behavstats.gateway import INTAKE
from behavstats.instants import parse_instant
from behavstats.intake import (
    MAX_BODY_BYTES,
    Intake,
    inflated,
    open_batch,
    open_envelope,
    take_in,
)
from behavstats.metrics import CONTENT_TYPE, Metrics
from behavstats.openapi import document
from behavstats.profile import Profile, Window, detailed_profile, profile, window
from behavstats.store import Store

_LONGEST_QUERY = 8_192  # bytes
_SENDER = "behavstats.sender"
_DAYS = re.compile(r"[0-9]{1,3}")


class Text(NamedTuple):
    """An answer that is not JSON."""

    content_type: str
    body: bytes
    headers: Mapping[str, str] = {}


class Answers:
    """The operations on a store."""

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

    def post_message(self, operation: Operation) -> Done:
        """Take a single message; the answer is true once it is durable."""
        text = self._sent()
        if not text.strip():
            raise InvalidInput("invalid_json", "the body is empty")
        self._take(operation, [text], Arrival(self._clock(), kind=operation.kind))
        return Done()

    def post_batch(self, operation: Operation) -> Counted:
        """Take the messages of a batch; the answer is true once all of them are durable."""
        batch = open_batch(self._sent())
        now = self._clock()
        arrival = Arrival(now, clock_behind(now, batch.sent))
        intake = self._take(operation, batch.batch, arrival)
        return Counted(
            page_views=len(intake.views),
            others=intake.others.total(),
            rejected=len(intake.rejections),
        )

    def get_user(self, _: Operation, user_id: str) -> Profile:
        """Read a profile."""
        query = query_of_request()
        wanted, detailed = self._window(query), _flag(query, "detail")
        summary = self._store.summary(_checked(user_id), wanted)
        if detailed:
            return detailed_profile(user_id, summary, wanted)
        return profile(user_id, summary, wanted.days)

    def delete_user(self, _: Operation, user_id: str) -> Erased:
        """Erase a user."""
        return Erased(**self._store.forget(_checked(user_id))._asdict())

    def get_project(self, _: Operation, key: str) -> Project:
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

    def get_health(self, _: Operation) -> Done:
        """Say that the store can be read."""
        self._store.check_readable()
        return Done()

    def get_readiness(self, _: Operation) -> Done:
        """Say that page views can be taken now, too."""
        self._check_room()
        self._store.check_readable()
        self._store.check_writable()
        return Done()

    def get_metrics(self, _: Operation) -> Text:
        """Show what was counted."""
        return Text(CONTENT_TYPE, self._metrics.text())

    def get_openapi(self, _: Operation) -> dict[str, Any]:
        """Show the contract to a machine."""
        return document()

    def get_docs(self, _: Operation) -> Text:
        """Show the contract to a person."""
        return Text("text/html; charset=utf-8", docs.PAGE, docs.HEADERS)

    def get_docs_file(self, _: Operation, file: str) -> Text:
        """Show a file of that page."""
        content_type, packed = docs.file(file)
        return Text(content_type, packed, {**docs.HEADERS, "Content-Encoding": "gzip"})

    def _sent(self) -> bytes:
        """Return the body of a request, decompressed, of somebody who may send."""
        environ = bottle.request.environ
        body: bytes = environ["wsgi.input"].read(MAX_BODY_BYTES + 1)
        if len(body) > MAX_BODY_BYTES:
            raise TooLarge("body", MAX_BODY_BYTES)
        text = inflated(body)
        if self._keys:
            key = given_key(environ, query_of_request())
            if key is None:
                key = open_envelope(text).key
                self._keys.check(Need.SENDING, key)
            environ[_SENDER] = self._keys.sender(key)
        return text

    def _take(
        self, operation: Operation, messages: Sequence[bytes | Raw], arrival: Arrival
    ) -> Intake:
        """Decode messages and have them stored before the answer; InvalidInput if none is good.

        Also then, the answer waits until what was rejected is kept.
        """
        sender = bottle.request.environ.get(_SENDER, arrival.sender)
        arrival = arrival._replace(sender=sender)
        intake = take_in(f"{operation.method} {operation.path}", messages, arrival)
        bottle.request.environ[INTAKE] = intake
        if intake.error is not None:
            raise intake.error
        if not messages:
            raise InvalidInput("nothing_sent", "there is no message")
        return intake

    def _window(self, query: Mapping[str, str]) -> Window:
        days, as_of = query.get("days", "7"), query.get("as_of")
        if not _DAYS.fullmatch(days):
            raise InvalidInput("invalid_days", f"days is not a whole number: {days!r}", "days")
        # A blank can only come from the plus sign of an offset that was not percent-encoded.
        now = self._clock()
        instant = now if as_of is None else parse_instant(as_of.replace(" ", "+"), "as_of")
        return window(instant, int(days))


def query_of_request() -> dict[str, str]:
    """Return the query of the request that is being answered; the last value of a name."""
    # Not `request.query`, which takes a value that is not UTF-8 for one that is not there; and not
    # `parse_qsl`, which takes as long as reading a profile.
    text = bottle.request.environ["QUERY_STRING"]
    if len(text) > _LONGEST_QUERY:
        raise InvalidInput("query_too_long", f"the query is over {_LONGEST_QUERY:,} bytes long")
    pairs = (pair.partition("=") for pair in text.split("&")) if text else ()
    return {unquote_plus(name): unquote_plus(value) for name, _, value in pairs}


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

"""The handlers of the routes: each parses a request, calls the store and returns a response."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from msgspec import Raw

from behavstats.decode.segment import Arrival, clock_behind
from behavstats.errors import AccessDenied, InvalidInput
from behavstats.model.page_view import KEYLESS_SENDER, check_user_id
from behavstats.model.profile import MAX_DAYS, Window, detailed_profile, profile, window
from behavstats.model.timestamps import format_instant, parse_instant
from behavstats.server import swagger_ui
from behavstats.server.auth import Keys, Scope
from behavstats.server.body import body_text
from behavstats.server.messages import Lines, parse_batch, parse_envelope, parse_lines
from behavstats.server.metrics import CONTENT_TYPE, Metrics
from behavstats.server.origins import Origins
from behavstats.server.payload import Payload, parse_payload
from behavstats.server.request import Pending, Request, Response
from behavstats.server.schemas import (
    Counted,
    Done,
    Erased,
    Integrations,
    Project,
    SegmentIntegration,
)
from behavstats.store import Store

_NDJSON = ("ndjson", "jsonl", "json-lines", "jsonlines")  # in a content type
_DAYS = re.compile(r"[0-9]{1,9}")
_HEADER_NAMES = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,1000}")
_PREFLIGHT_SECONDS = 7200  # for which a browser may cache a preflight; no browser does for longer


@dataclass(frozen=True)
class Handlers:
    """The handlers of all routes, for one store.

    `check_room` raises StoreError if no page views can be taken now. `document` returns the
    OpenAPI document as JSON, with an instant (RFC 3339) in its examples. `clock` returns ms since
    the epoch.
    """

    store: Store
    keys: Keys
    origins: Origins
    metrics: Metrics
    check_room: Callable[[], object]
    document: Callable[[str], bytes]
    clock: Callable[[], int]

    def post_message(self, request: Request, kind: str) -> Pending:
        """Store one message; `kind` is that of the route, as in `Arrival`."""
        text, sender = self._text_and_sender(request)
        if not text.strip():
            raise InvalidInput("invalid_json", "the body is empty")
        payload = _parsed(request, [text], Arrival(self.clock(), kind=kind, sender=sender))
        return Pending(payload, payload.error or Response(Done()))

    def post_batch(self, request: Request) -> Pending:
        """Store the messages of a batch, or of newline-delimited JSON."""
        text, sender = self._text_and_sender(request)
        now = self.clock()
        try:
            batch = parse_batch(text)
        except InvalidInput as error:
            messages, numbers = _lines(request, text, error)
            payload = _parsed(request, messages, Arrival(now, sender=sender), numbers)
        else:
            arrival = Arrival(now, clock_behind(now, batch.sent), sender=sender)
            payload = _parsed(request, batch.batch, arrival)
        counted = Counted(
            page_views=len(payload.views),
            others=payload.non_page_messages.total(),
            rejected=len(payload.rejections),
        )
        return Pending(payload, payload.error or Response(counted))

    def get_user(self, request: Request) -> Response:
        """Read a profile."""
        query = request.query.values
        wanted, is_detailed = self._window(query), _flag(query, "detail")
        user_id = _user_id(request)
        summary = self.store.summary(user_id, wanted)
        if is_detailed:
            return Response(detailed_profile(user_id, summary, wanted))
        return Response(profile(user_id, summary, wanted.days))

    def delete_user(self, request: Request) -> Response:
        """Erase a user."""
        return Response(Erased(**self.store.forget(_user_id(request))._asdict()))

    def get_project(self, request: Request) -> Response:
        """Tell Segment's browser client to send to the address that it sent this request to."""
        forwarded, _, _ = request.headers.get("x-forwarded-proto", "").partition(",")
        is_secure = "https" in (request.scheme, forwarded)
        here = SegmentIntegration(
            api_key=request.parameters["key"].encode("utf-8", "replace").decode(),
            api_host=f"{request.headers.get('host', '')}/v1",
            protocol="https" if is_secure else "http",
        )
        return Response(Project(Integrations(here)))

    def get_health(self, _: Request) -> Response:
        """Confirm that the store can be read."""
        self.store.check_readable()
        return Response(Done())

    def get_readiness(self, _: Request) -> Response:
        """Confirm that the server can store page views now."""
        self.check_room()
        self.store.check_writable()  # opens the store again if it was replaced
        self.store.check_readable()
        return Response(Done())

    def get_metrics(self, _: Request) -> Response:
        """Return the metrics."""
        return Response(self.metrics.text(), CONTENT_TYPE)

    def get_openapi(self, _: Request) -> Response:
        """Return the OpenAPI document as JSON."""
        return Response(self.document(format_instant(self.clock())))

    def get_docs(self, _: Request) -> Response:
        """Return the page that presents the OpenAPI document to a person."""
        return Response(swagger_ui.PAGE, "text/html; charset=utf-8", headers=swagger_ui.HEADERS)

    def get_docs_file(self, request: Request) -> Response:
        """Return a file that the documentation page needs."""
        name = request.parameters["file"].encode("utf-8", "replace").decode()
        content_type, packed = swagger_ui.file(name)
        headers = {**swagger_ui.HEADERS, "Content-Encoding": "gzip"}
        return Response(packed, content_type, headers=headers)

    def redirect_to_docs(self, _: Request) -> Response:
        """Redirect to the documentation, by a relative address that also works behind a proxy."""
        return Response(b"see docs\n", "text/plain", 303, {"Location": "docs"})

    def preflight(self, request: Request) -> Response:
        """Tell a browser whether a page of another origin may send, and with which headers."""
        self.origins.check(Scope.SENDING, request.headers)
        if self.origins.allowed(Scope.SENDING, request.headers.get("origin")) is None:
            raise AccessDenied("pages of this origin are not allowed to send")
        headers = {
            "Access-Control-Allow-Methods": "POST",
            "Access-Control-Max-Age": str(_PREFLIGHT_SECONDS),
        }
        # A page may send any header, because only the key grants access.
        asked = request.headers.get("access-control-request-headers")
        if asked is not None and _HEADER_NAMES.fullmatch(asked):
            headers["Access-Control-Allow-Headers"] = asked
        return Response(b"", status=204, headers=headers)

    def _text_and_sender(self, request: Request) -> tuple[bytes, int]:
        """Return the decompressed body of a request and the number of its sender.

        Raises AccessDenied if the key in the body may not send.
        """
        text = body_text(bytes(request.body))
        if not self.keys:
            return text, KEYLESS_SENDER
        key = request.credential
        if not request.is_authenticated:
            key = parse_envelope(text).key
            self.keys.check(Scope.SENDING, key)
        return text, self.keys.sender(key)

    def _window(self, query: Mapping[str, str]) -> Window:
        days, as_of = query.get("days", "7"), query.get("as_of")
        if not _DAYS.fullmatch(days):
            message = f"days must be a whole number from 1 to {MAX_DAYS}"
            raise InvalidInput("invalid_days", message, "days")
        # A blank must be the plus sign of an offset, which the client did not percent-encode.
        now = self.clock()
        instant = now if as_of is None else parse_instant(as_of.replace(" ", "+"), "as_of")
        return window(instant, int(days))


def _parsed(
    request: Request,
    messages: Sequence[bytes | Raw],
    arrival: Arrival,
    numbers: Sequence[int] | None = None,
) -> Payload:
    """Return the payload of a request. Raises InvalidInput if there are no messages."""
    if not messages:
        raise InvalidInput("nothing_sent", "there is no message")
    return parse_payload(f"{request.method} {request.template}", messages, arrival, numbers)


def _lines(request: Request, text: bytes, error: InvalidInput) -> Lines:
    """Return the lines of a body that is not a batch. Raises `error` if they are not JSON."""
    content_type = request.headers.get("content-type", "").lower()
    is_declared = any(name in content_type for name in _NDJSON)
    lines = parse_lines(text, is_declared=is_declared)
    if lines is None:
        raise error
    return lines


def _user_id(request: Request) -> str:
    user_id = request.parameters["user_id"]
    try:
        user_id.encode()
    except UnicodeEncodeError:
        raise InvalidInput("invalid_user_id", "user_id is not UTF-8", "user_id") from None
    return check_user_id(user_id)


def _flag(query: Mapping[str, str], name: str) -> bool:
    text = query.get(name, "false")
    if text not in ("true", "false"):
        raise InvalidInput(f"invalid_{name}", f"{name} must be true or false", name)
    return text == "true"

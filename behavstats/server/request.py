"""The argument and the results of handlers: a request; a response, or a payload to store first."""

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from behavstats.errors import BehavstatsError
from behavstats.server.auth import credential
from behavstats.server.payload import Payload
from behavstats.server.query import Query, parse_query


class Response(NamedTuple):
    """The answer of a handler: bytes, or a value to encode as JSON."""

    body: object
    content_type: str = "application/json"
    status: int = 200
    headers: Mapping[str, str] = {}


class Pending(NamedTuple):
    """A payload, and the response to send as soon as the payload is durable.

    The response may be an error: a rejected message is stored before its sender gets the error.
    """

    payload: Payload
    response: Response | BehavstatsError


class Request:
    """One HTTP request. Each part is parsed once, when it is first asked for.

    `template` is the path of the matching route, with names in place of values, and `parameters`
    are these values by their names; both are empty until the request is routed. `is_authenticated`
    is False if the key was not checked yet, because only the body can contain it. `more_body` says
    whether the client may still send a part of the body.
    """

    __slots__ = (
        "_query",
        "_query_text",
        "body",
        "headers",
        "id",
        "is_authenticated",
        "method",
        "more_body",
        "parameters",
        "path",
        "scheme",
        "template",
    )

    def __init__(self, scope: Mapping[str, Any], request_id: str) -> None:
        """Create a request from its ASGI scope."""
        self.id = request_id
        self.method: str = scope["method"].upper()
        self.scheme: str = scope["scheme"]
        # Not scope["path"], in which bytes that are not UTF-8 are replaced: that could be the id
        # of another user. Here, such bytes become lone surrogates, which no user id has.
        self.path = unquote_to_bytes(scope["raw_path"]).decode("utf-8", "surrogateescape")
        self.headers: Mapping[str, str] = _headers(scope["headers"])
        self.template = ""
        self.parameters: Mapping[str, str] = {}
        self.body: bytes | bytearray = b""
        self.more_body = "content-length" in self.headers or "transfer-encoding" in self.headers
        self.is_authenticated = True
        self._query_text: bytes = scope["query_string"]
        self._query: Query | None = None

    @property
    def query(self) -> Query:
        """The parsed query. Raises InvalidInput if it is longer than 8 KiB."""
        if self._query is None:
            self._query = parse_query(self._query_text.decode("latin-1"))
        return self._query

    @property
    def credential(self) -> str | None:
        """The key in a header, the query or the path, or None."""
        key = credential(self.headers, self.query.values)
        return key or self.parameters.get("key")


def _headers(pairs: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return headers by their names in lower case; the values of a repeated header are joined."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers

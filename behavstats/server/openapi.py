"""The OpenAPI 3.1 document, made from the route table and the types in it."""

from collections.abc import Iterator, Mapping
from functools import cache

import msgspec

import behavstats
from behavstats.decode.wire import PAGE_KINDS
from behavstats.errors import (
    AccessDenied,
    BehavstatsError,
    NotAuthenticated,
    SlowClient,
    StoreBusy,
    TooLarge,
)
from behavstats.server.auth import Scope
from behavstats.server.body import MAX_BODY_BYTES
from behavstats.server.messages import MAX_MESSAGES, Batch
from behavstats.server.openapi_examples import CALL, EVENT, EXAMPLES, LINES, NOW, invalid_input
from behavstats.server.openapi_schemas import components, content_of, reference_to
from behavstats.server.openapi_segment import Schema
from behavstats.server.routes import TAGS, Parameter, Route
from behavstats.server.schemas import Failure

_DESCRIPTION = """\
Send a page view under *Sending*, then read its user's profile under *Profiles*. Segment's and \
RudderStack's clients can send here without changes.

An answer of 200 means that everything you sent is durable and visible. The server accepts any \
content type, and gzip: it looks at the body only. A batch may also be newline-delimited JSON. A \
body may have 4 MiB as sent, 16 MiB decompressed, and 2,500 messages. Sending anything again \
changes nothing. After a 503, try again in `Retry-After` seconds.

If the server has keys, a write key may only send, and a secret key may do everything. A client \
that cannot send headers can put its key into the body as `writeKey`. A server without keys only \
answers its own machine.
"""
_SECURITY: Mapping[str, Schema] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "basic": {"type": "http", "scheme": "basic", "description": "The key as the user's name."},
    "header": {"type": "apiKey", "in": "header", "name": "X-Write-Key"},
    "query": {"type": "apiKey", "in": "query", "name": "writeKey"},
}
_REQUEST_ID = {"$ref": "#/components/headers/X-Request-Id"}
_HEADERS: Mapping[int, Schema] = {
    401: {
        "WWW-Authenticate": {
            "schema": {"type": "string"},
            "description": "How a key may be given.",
            "example": "Bearer",
        }
    },
    503: {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds.", "example": 1}},
}
_USER = "/v1/user/{user_id}"
_AS_WORD = str.maketrans("/{}.", "____")


@cache
def document(routes: tuple[Route, ...], *, has_keys: bool = True) -> Schema:
    """Return the document of a server with keys, or without keys."""
    paths: dict[str, Schema] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(
            route, has_keys=has_keys
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "behavstats",
            "version": behavstats.__version__,
            "summary": "Page views in, exact behavioural profiles of users out.",
            "description": _DESCRIPTION,
        },
        "servers": [{"url": "."}],
        "tags": [{"name": tag.name, "description": tag.description} for tag in TAGS],
        "paths": paths,
        "components": {
            "schemas": components(),
            "securitySchemes": dict(_SECURITY) if has_keys else {},
            "headers": {
                "X-Request-Id": {
                    "schema": {"type": "string"},
                    "description": "Identifies the request in the server's log.",
                    "example": "5f0c1e9a7b21-2a",
                }
            },
        },
    }


def encoded(routes: tuple[Route, ...], now: str, *, has_keys: bool) -> bytes:
    """Return the document as JSON. The page views in its examples are of `now` (RFC 3339)."""
    return _encoded(routes, has_keys).replace(NOW.encode(), now.encode())


@cache
def _encoded(routes: tuple[Route, ...], has_keys: bool) -> bytes:
    return msgspec.json.encode(document(routes, has_keys=has_keys))


def _operation(route: Route, *, has_keys: bool) -> Schema:
    described: Schema = {
        "operationId": _id(route.method, route.path),
        "summary": route.summary,
        "tags": [route.tag.name] if route.tag else [],
        "responses": _responses(route, has_keys=has_keys),
        "security": [{name: []} for name in _SECURITY] if route.scope and has_keys else [],
    }
    if route.parameters:
        described["parameters"] = [*map(_parameter, route.parameters)]
    if route.takes:
        described["requestBody"] = {"required": True, "content": _body(route)}
    return described


def _parameter(parameter: Parameter) -> Schema:
    # Swagger UI leaves a parameter without an example empty.
    example = {} if parameter.example is None else {"example": parameter.example}
    return {
        "name": parameter.name,
        "in": parameter.where,
        "required": parameter.where == "path",
        "description": parameter.description,
        "schema": msgspec.json.schema(parameter.type),
        **example,
    }


def _responses(route: Route, *, has_keys: bool) -> Schema:
    """Return the responses of a route, by their statuses."""
    content = content_of(route.gives, EXAMPLES[route.gives])
    answers = {200: {"description": "Done.", "content": content, **_links(route)}}
    for status, words, error in _failures(route, has_keys=has_keys):
        answers[status] = {"description": words, "content": content_of(Failure, Failure.of(error))}
    for status, answer in answers.items():
        answer["headers"] = {"X-Request-Id": _REQUEST_ID, **_HEADERS.get(status, {})}
    return {str(status): answer for status, answer in answers.items()}


def _failures(route: Route, *, has_keys: bool) -> Iterator[tuple[int, str, BehavstatsError]]:
    """Yield how a route may fail: the status, its meaning, and an error that leads to it."""
    words = "Something in the request is wrong. Sending it again does not help."
    if route.takes or route.scope is not Scope.SENDING or has_keys:
        yield 400, words, invalid_input(route)
    if route.scope and has_keys:
        yield (
            401,
            "No key was given, or the key is not known.",
            NotAuthenticated("the key is not known"),
        )
    if not has_keys:
        error = AccessDenied("without keys, the Host has to be this machine's loopback address")
        yield (
            403,
            "The request comes from another machine, or from a web page that may not send.",
            error,
        )
    elif route.scope is Scope.EVERYTHING:
        error = AccessDenied("a write key may only send; this needs a secret key")
        yield 403, "A write key was given, but the operation needs a secret key.", error
    if route.absent is not None:
        yield 404, "The user or file does not exist.", route.absent
    if route.takes:
        yield 408, "The request was not complete in time.", SlowClient(60)
        yield 413, "The request is too large.", TooLarge("body", MAX_BODY_BYTES)
    if route.is_stored:
        yield 503, "The server cannot do it now. Try again.", StoreBusy("the store is busy")


def _links(route: Route) -> Schema:
    """Return links to the operations on the user who is named in a request."""
    if route.kind == "page":
        user_id = "$request.body#/user_id"
    elif route.path == _USER:
        user_id = "$request.path.user_id"
    else:
        return {}
    links = {
        words: {"operationId": _id(method, _USER), "parameters": {"user_id": user_id}}
        for words, method in (("read", "GET"), ("erase", "DELETE"))
    }
    return {"links": links}


def _id(method: str, path: str) -> str:
    return method.lower() + path.translate(_AS_WORD)


def _body(route: Route) -> Schema:
    """Return the content of the request body that a route takes."""
    values: Schema = {"ours": EVENT, "segment": {"type": route.kind or "page", **CALL}}
    if Batch in route.takes:
        schema = reference_to("Batch")
        values = {name: {"batch": [value]} for name, value in values.items()}
    elif route.kind in PAGE_KINDS:
        schema = {"anyOf": [reference_to("WireEvent"), reference_to("MessageForPage")]}
    else:
        schema = {"type": "object"}
        del values["ours"]
    examples = {name: {"value": value} for name, value in values.items()}
    content: Schema = {"application/json": {"schema": schema, "examples": examples}}
    if Batch in route.takes:
        words = f"Messages of either format, one a line; at most {MAX_MESSAGES:,} lines."
        lines = {"type": "string", "format": "message-lines", "description": words}
        content["application/x-ndjson"] = {"schema": lines, "example": LINES}
    return content

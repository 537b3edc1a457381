"""The contract as an OpenAPI 3.1 document, made from the table of operations and their types."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import msgspec

import behavstats
from behavstats.contract import (
    OPERATIONS,
    Counted,
    Done,
    Erased,
    Failure,
    Integrations,
    Operation,
    Project,
    SegmentIntegration,
)
from behavstats.errors import (
    AccessDenied,
    BehavstatsError,
    InvalidInput,
    NotAuthenticated,
    SlowClient,
    StoreBusy,
    TooLarge,
    UnknownUser,
)
from behavstats.intake import MAX_BODY_BYTES, Batch
from behavstats.messages import Schema, message_schemas
from behavstats.profile import FIELDS, Details, Profile, profile, summarise
from behavstats.wire import PAGES, Message, WireEvent

_REF = "#/components/schemas/{name}"
_TYPES = (WireEvent, Message, Batch, Done, Counted, Erased, Failure, Project, Details)

_DESCRIPTION = """\
Page views in, exact behavioural profiles of users out, in real time. Segment's and RudderStack's \
clients can send here as they are.

An answer of 200 means that all of it is durable and visible. Any content type will do, and gzip \
as well: the body decides. At most 4 MiB as sent, 16 MiB decompressed, and 2,500 messages. Sending \
anything again changes nothing. After a 503, try again in `Retry-After` seconds.

Where the server has keys, a write key may only send, a secret key everything; who can give it \
nowhere else, gives it as `writeKey` in the body. Where it has none, it answers this machine alone.
"""
_EVENT = {"user_id": "019mr8mf4r", "name": "/pricing", "timestamp": "2026-11-15T12:34:56.789Z"}
_CALL = {
    "userId": "019mr8mf4r",
    "category": "Shop",
    "name": "Pricing",
    "properties": {"url": "https://example.org/pricing", "path": "/pricing", "title": "Prices"},
    "messageId": "ajs-next-1763210096789-9b1c",
    "timestamp": "2026-11-15T12:34:56.789Z",
}
_SECURITY: Mapping[str, Schema] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "basic": {"type": "http", "scheme": "basic", "description": "The key as the user's name."},
    "header": {"type": "apiKey", "in": "header", "name": "X-Write-Key"},
    "query": {"type": "apiKey", "in": "query", "name": "writeKey"},
}
_SEGMENT = SegmentIntegration("a-write-key-of-16-or-more", "localhost:8000/v1", "http")
_EXAMPLES = {
    Done: Done(),
    Counted: Counted(page_views=2, others=1, rejected=0),
    Erased: Erased(user_id="019mr8mf4r", page_views=12, page_names=3, rejected_lines=0),
    Profile: profile("019mr8mf4r", summarise([0, 90_000], ["/", "/pricing"])),
    Project: Project(Integrations(_SEGMENT)),
    Mapping[str, Any]: {"openapi": "3.1.0"},
    "text/plain": "behavstats_page_views_added_total 2.0\n",
    "text/html": "<!doctype html>\n",
    "text/css, text/javascript": "/* */\n",
}
_REQUEST_ID = {"$ref": "#/components/headers/X-Request-Id"}
_HEADERS: Mapping[int, Schema] = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}, "example": "Bearer"}},
    503: {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds.", "example": 1}},
}
_USER = "/v1/user/{user_id}"
_AS_WORD = str.maketrans("/{}.", "____")


@cache
def document() -> Schema:
    """Return the document."""
    paths: dict[str, Schema] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "behavstats",
            "version": behavstats.__version__,
            "summary": "Page views in, exact behavioural profiles of users out.",
            "description": _DESCRIPTION,
        },
        "servers": [{"url": "."}],
        "paths": paths,
        "components": {
            "schemas": _components(),
            "securitySchemes": dict(_SECURITY),
            "headers": {
                "X-Request-Id": {
                    "schema": {"type": "string"},
                    "description": "By which the request is found in the server's log.",
                    "example": "5f0c1e9a7b21-2a",
                }
            },
        },
    }


def _operation(operation: Operation) -> Schema:
    described: Schema = {
        "operationId": _id(operation.method, operation.path),
        "summary": operation.summary,
        "responses": _answers(operation),
        "security": [{name: []} for name in _SECURITY] if operation.need else [],
    }
    if operation.parameters:
        described["parameters"] = [
            {
                "name": parameter.name,
                "in": parameter.where,
                "required": parameter.where == "path",
                "description": parameter.words,
                "schema": msgspec.json.schema(parameter.type),
                "example": parameter.example,
            }
            for parameter in operation.parameters
        ]
    if operation.takes:
        described["requestBody"] = {"required": True, "content": _taken(operation)}
    return described


def _answers(operation: Operation) -> Schema:
    """Return the statuses that an operation may answer with, and what comes with them."""
    content = _content(operation.gives, _EXAMPLES[operation.gives])
    answers = {200: {"description": "Done.", "content": content, **_links(operation)}}
    for status, words, error in _failures(operation):
        answers[status] = {"description": words, "content": _content(Failure, Failure.of(error))}
    for status, answer in answers.items():
        answer["headers"] = {"X-Request-Id": _REQUEST_ID, **_HEADERS.get(status, {})}
    return {str(status): answer for status, answer in answers.items()}


def _failures(operation: Operation) -> Iterator[tuple[int, str, BehavstatsError]]:
    """Yield how an operation may fail: the status, what it means, and an error that leads to it."""
    if operation.takes or operation.parameters or operation.need:
        words = "Something in the request is wrong; sent again, it will be again."
        yield 400, words, InvalidInput("invalid_days", "days must be 1 to 90, not 0", "days")
    if operation.need:
        words = "No key, or one that is not known."
        yield 401, words, NotAuthenticated("the key is not known")
    words = "A write key, where a secret one is needed; or a web page that may not."
    yield 403, words, AccessDenied("a write key may only send; this takes a secret key")
    if operation.parameters:
        words = "Nothing is known of this user, or there is nothing at this path."
        yield 404, words, UnknownUser("nobody")
    if operation.takes:
        yield 408, "The request was not sent to its end in time.", SlowClient(60)
        yield 413, "The request is too large.", TooLarge("body", MAX_BODY_BYTES)
    yield 503, "Not now: try again.", StoreBusy("the store is busy")


def _links(operation: Operation) -> Schema:
    """Return what can be done with the user whom an operation was about."""
    if operation.kind == "page":
        user_id = "$request.body#/user_id"
    elif operation.path == _USER:
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


def _taken(operation: Operation) -> Schema:
    """Return what a body holds that an operation takes."""
    values: Schema = {"segment": {"type": operation.kind or "page", **_CALL}, "ours": _EVENT}
    if Batch in operation.takes:
        schema = _reference("Batch")
        values = {name: {"batch": [value]} for name, value in values.items()}
    elif operation.kind in PAGES:
        schema = {"anyOf": [_reference("WireEvent"), _reference("MessageForPage")]}
    else:
        schema = {"type": "object"}
        del values["ours"]
    examples = {name: {"value": value} for name, value in values.items()}
    return {"application/json": {"schema": schema, "examples": examples}}


def _content(kind: Any, example: Any) -> Schema:  # noqa: ANN401  types are anything
    """Return what a body holds that is of a type, or a text of some media types."""
    example = msgspec.to_builtins(example)
    if isinstance(kind, str):
        text = {"schema": {"type": "string"}, "example": example}
        return dict.fromkeys(kind.split(", "), text)
    if kind is Profile:
        return {"application/json": {"schema": _reference("Profile"), "example": example}}
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=_REF)
    return {"application/json": {"schema": schema, "example": example}}


def _reference(name: str) -> Schema:
    return {"$ref": _REF.format(name=name)}


def _components() -> Schema:
    _, components = msgspec.json.schema_components(_TYPES, ref_template=_REF)
    components |= message_schemas(components["Message"], _reference)
    # The keys of a profile hold the number of days: there is no type that could say so.
    details = components.pop("Details")
    keys = {key.format(days="[0-9]+"): kind for key, kind in FIELDS.items()}
    components["Profile"] = {
        "title": "Profile",
        "description": "What a user did in a window of days; the rest of it with `?detail=true`.",
        "type": "object",
        "required": ["user_id"],
        "minProperties": len(FIELDS),
        "patternProperties": {f"^{key}$": msgspec.json.schema(kind) for key, kind in keys.items()},
        "properties": details["properties"],
        "additionalProperties": False,
    }
    return components

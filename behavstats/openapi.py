"""The contract as an OpenAPI 3.1 document, made from the table of operations and their types."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import msgspec

import behavstats
from behavstats.contract import OPERATIONS, Counted, Done, Erased, Failure, Operation, Project
from behavstats.intake import Batch
from behavstats.messages import Schema, message_schemas
from behavstats.profile import FIELDS, Details, Profile, Summary, profile
from behavstats.wire import PAGES, Message, WireEvent

_REF = "#/components/schemas/{name}"
_TYPES = (WireEvent, Message, Batch, Done, Counted, Erased, Failure, Project, Details)

_DESCRIPTION = """\
Page views in, exact behavioural profiles of users out, in real time. Segment's and RudderStack's \
clients can send here as they are.

An answer of 200 means that all of it is durable and visible. Any content type will do, and gzip \
as well: the body decides. At most 4 MiB as sent, 16 MiB decompressed, and 2,500 messages. Sending \
anything again changes nothing. After a 503, try again in `Retry-After` seconds.

Where the server has keys, a write key may only send, a secret key everything. Where it has none, \
it answers this machine alone.
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
_RETRY_AFTER = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
_CHALLENGE = {"WWW-Authenticate": {"schema": {"type": "string"}}}
_USER = "/v1/user/{user_id}"
_AS_WORD = str.maketrans("/{}.", "____")


@cache
def document() -> Schema:
    """Return the document."""
    paths: dict[str, Schema] = {}
    for operation in OPERATIONS:
        if operation.summary:
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
        "components": {"schemas": _components(), "securitySchemes": dict(_SECURITY)},
    }


def _operation(operation: Operation) -> Schema:
    described: Schema = {
        "operationId": _id(operation.method, operation.path),
        "summary": operation.summary,
        "responses": {str(status): answer for status, answer in _answers(operation)},
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


def _answers(operation: Operation) -> Iterator[tuple[int, Schema]]:
    """Yield the statuses that an operation may answer with, and what comes with them."""
    yield 200, {"description": "Done.", "content": _content(operation.gives), **_links(operation)}
    if operation.takes or operation.parameters or operation.need:
        yield 400, _failing("Something in the request is wrong; sent again, it will be again.")
    if operation.need:
        yield 401, _failing("No key, or one that is not known.") | {"headers": _CHALLENGE}
    yield 403, _failing("A write key, where a secret one is needed; or a web page that may not.")
    if operation.parameters:
        yield 404, _failing("Nothing is known of this user, or there is nothing at this path.")
    if operation.takes:
        yield 408, _failing("The request was not sent to its end in time.")
        yield 413, _failing("The request is too large.")
    yield 503, _failing("Not now: try again.") | {"headers": _RETRY_AFTER}


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


def _failing(words: str) -> Schema:
    return {"description": words, "content": _content(Failure)}


def _taken(operation: Operation) -> Schema:
    """Return what a body holds that an operation takes."""
    call = {"type": operation.kind or "page", **_CALL}
    values: Schema = {"segment": call, "ours": _EVENT}
    if Batch in operation.takes:
        schema = _reference("Batch")
        values = {name: {"batch": [value]} for name, value in values.items()}
    else:
        message = "MessageForPage" if operation.kind in PAGES else "MessageForOther"
        schema = {"anyOf": [_reference("WireEvent"), _reference(message)]}
    examples = {name: {"value": value} for name, value in values.items()}
    return {"application/json": {"schema": schema, "examples": examples}}


def _content(kind: Any) -> Schema:  # noqa: ANN401  types are anything
    """Return what a body holds that is of a type, or a text of a media type."""
    if isinstance(kind, str):
        return {kind: {"schema": {"type": "string"}}}
    if kind is Profile:
        example = profile("019mr8mf4r", Summary(), 7)
        return {"application/json": {"schema": _reference("Profile"), "example": example}}
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=_REF)
    return {"application/json": {"schema": schema}}


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

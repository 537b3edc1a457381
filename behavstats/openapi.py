"""The contract as an OpenAPI 3.1 document, made from the table of operations and their types."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import msgspec

import behavstats
from behavstats.contract import OPERATIONS, Counted, Done, Erased, Failure, Operation, Project
from behavstats.intake import Batch
from behavstats.profile import FIELDS, Details, Profile, Summary, profile
from behavstats.wire import Message, WireEvent

_Schema = dict[str, Any]
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
_PAGE = {
    "type": "page",
    "userId": "019mr8mf4r",
    "category": "Shop",
    "name": "Pricing",
    "properties": {"url": "https://example.org/pricing", "path": "/pricing", "title": "Prices"},
    "messageId": "ajs-next-1763210096789-9b1c",
    "timestamp": "2026-11-15T12:34:56.789Z",
}
_EXAMPLES: Mapping[Any, Mapping[str, Any]] = {
    (WireEvent, Message): {"ours": _EVENT, "segment": _PAGE},
    (Message,): {"segment": _PAGE},
    (Batch,): {
        "ours": {"batch": [_EVENT]},
        "segment": {"batch": [_PAGE], "sentAt": _EVENT["timestamp"]},
    },
    (Profile,): {"profile": profile("019mr8mf4r", Summary(), 7)},
}
_SECURITY: Mapping[str, _Schema] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "basic": {"type": "http", "scheme": "basic", "description": "The key as the user's name."},
    "header": {"type": "apiKey", "in": "header", "name": "X-Write-Key"},
    "query": {"type": "apiKey", "in": "query", "name": "writeKey"},
}
_RETRY_AFTER = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
_CHALLENGE = {"WWW-Authenticate": {"schema": {"type": "string"}}}
_AS_WORD = str.maketrans("/{}.", "____")


@cache
def document() -> _Schema:
    """Return the document."""
    paths: dict[str, _Schema] = {}
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


def _operation(operation: Operation) -> _Schema:
    described: _Schema = {
        "operationId": f"{operation.method.lower()}{operation.path.translate(_AS_WORD)}",
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
        described["requestBody"] = {"required": True, "content": _content(*operation.takes)}
    return described


def _answers(operation: Operation) -> Iterator[tuple[int, _Schema]]:
    """Yield the statuses that an operation may answer with, and what comes with them."""
    yield 200, {"description": "Done.", "content": _content(operation.gives)}
    if operation.takes or operation.parameters:
        yield 400, _failing("Something in the request is wrong; sent again, it will be again.")
    if operation.need:
        yield 401, _failing("No key, or one that is not known.") | {"headers": _CHALLENGE}
    yield 403, _failing("A write key, where a secret one is needed; or a web page that may not.")
    if operation.parameters:
        yield 404, _failing("There is nothing of this user.")
    if operation.takes:
        yield 408, _failing("The request was not sent to its end in time.")
        yield 413, _failing("The request is too large.")
    yield 503, _failing("Not now: try again.") | {"headers": _RETRY_AFTER}


def _failing(words: str) -> _Schema:
    return {"description": words, "content": _content(Failure)}


def _content(*types: Any) -> _Schema:  # noqa: ANN401  types are anything
    """Return what a body holds that is of one of some types."""
    if types == (str,):
        return {"text/plain": {"schema": {"type": "string"}}}
    if types == (Profile,):
        schemas: tuple[_Schema, ...] = ({"$ref": _REF.format(name="Profile")},)
    else:
        schemas, _ = msgspec.json.schema_components(types, ref_template=_REF)
    shown: _Schema = {"schema": {"anyOf": schemas} if len(schemas) > 1 else schemas[0]}
    if types in _EXAMPLES:
        shown["examples"] = {name: {"value": value} for name, value in _EXAMPLES[types].items()}
    return {"application/json": shown}


def _components() -> _Schema:
    _, components = msgspec.json.schema_components(_TYPES, ref_template=_REF)
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

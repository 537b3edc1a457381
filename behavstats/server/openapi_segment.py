"""JSON schemas of the Segment messages that the server accepts, which no Python type can describe.

Any value of a message may be missing, and the other values decide which ones are required. The
schemas are for the document only: `behavstats.decode` decides which messages are valid.
"""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from behavstats.decode.wire import NAME, OTHER_KINDS, PAGE_KINDS, SEGMENT_KEYS, TIMESTAMP, USER_ID

Schema = dict[str, Any]

_URL = Meta(
    description="An address whose path is the page's name; / if there is only a host.",
    extra_json_schema={"minLength": 1, "format": "page-url"},
)

_USER_ID, _NAME, _TIME, _ADDRESS = (
    msgspec.json.schema(Annotated[str, kind]) for kind in (USER_ID, NAME, TIMESTAMP, _URL)
)
_PAGE_WORDS = {
    "page": "The page on which it happened.",
    "title": "The page's title.",
    "path": "The path of the page's address.",
    "url": "The page's address, whose path can name the page.",
}
_MISSING: Schema = {"enum": ["", None]}
_NO_TEXT: Schema = {"not": {"type": "string", "minLength": 1}}
_NOT_OURS: Schema = {
    "type": "object",
    "properties": {
        "user_id": {
            "description": "Not in a message: a body with this key has behavstats' own format.",
            "not": {},
        }
    },
}

# The values that may name the page if the message has no name; the first one counts.
_PAGE_SOURCES = (
    (("properties", "title"), _NAME),
    (("context", "page", "title"), _NAME),
    (("properties", "path"), _NAME),
    (("properties", "url"), _ADDRESS),
    (("context", "page", "url"), _ADDRESS),
)


def message_schemas(message: Schema, reference: Callable[[str], Schema]) -> dict[str, Schema]:
    """Return the schemas of the messages that the server accepts, by their names.

    `message` is the schema of the type; `reference` returns a reference to the schema of a name.
    """
    schemas = {
        "Message": message | {"properties": message["properties"] | _NOT_OURS["properties"]},
        "PageMessage": {
            "title": "PageMessage",
            "description": "A message of a page view: its user, time (now by default) and page. "
            "The page's name, after its category and a colon, has at most 2,048 UTF-8 bytes.",
            **_all(reference("Message"), _user(), _page(), _time()),
        },
        **_messages_by_route(reference("PageMessage")),
    }
    properties = schemas["Message"]["properties"]
    words = _PAGE_WORDS | {name: schema["description"] for name, schema in properties.items()}
    return {
        name: schema if name == "Message" else _described(schema, words)
        for name, schema in schemas.items()
    }


def _messages_by_route(page_view: Schema) -> dict[str, Schema]:
    """Return the schemas of a message that is sent alone, and of one in a batch."""
    untyped = {"properties": {"type": _MISSING}}
    page = _all(page_view, _having(type={"enum": [*PAGE_KINDS]}))
    other = _all(_NOT_OURS, _having(type={"enum": [*OTHER_KINDS]}))
    no_event = {"properties": {"event": {"type": "null"}}}
    marked = _any(*({"required": [key]} for key in SEGMENT_KEYS))
    track = _all(_NOT_OURS, untyped, marked, _having(event={"not": {"type": "null"}}))
    return {
        "MessageForPage": {
            "title": "MessageForPage",
            "description": "A message. Without a type, it is a page view.",
            **_any(page, _all(page_view, untyped), other),
        },
        "MessageInBatch": {
            "title": "MessageInBatch",
            "description": "A message. Without a type, it is a track if it has an event, and a "
            "page view otherwise.",
            **_any(page, _all(page_view, untyped, no_event), other, track),
        },
    }


def _described(schema: Any, words: dict[str, str]) -> Any:  # noqa: ANN401  any part of a schema
    """Return a schema in which each property, however deep, has the description of its name."""
    if isinstance(schema, list):
        return [_described(part, words) for part in schema]
    if not isinstance(schema, dict):
        return schema
    rest = {key: _described(part, words) for key, part in schema.items() if key != "properties"}
    if "properties" not in schema:
        return rest
    # These are names, not keys of a schema: one of them is `properties`.
    properties = {
        name: _described(part, words) | {"description": words[name]}
        for name, part in schema["properties"].items()
    }
    return rest | {"properties": properties}


def _user() -> Schema:
    """Return the schema of the user: `userId`, or else `anonymousId`."""
    no_user = {"properties": {"userId": _MISSING}}
    known = _any(_USER_ID, {"type": "integer"})
    return _any(_having(userId=known), _all(no_user, _having(anonymousId=known)))


def _page() -> Schema:
    """Return the schema of the page: each value that may name it, if all before it are missing."""
    unnamed = {"properties": {"name": _MISSING}}
    missing: list[Schema] = [unnamed]
    ways = [_having(name=_NAME)]
    for path, kind in _PAGE_SOURCES:
        ways.append(_all(*missing, _at(path, kind, required=True)))
        missing.append(_at(path, _NO_TEXT, required=False))
    return _any(*ways)


def _time() -> Schema:
    """Return the schema of the time, if there is one: `timestamp`, or else `originalTimestamp`."""
    untimed = {"properties": {"timestamp": _MISSING, "originalTimestamp": _any(_TIME, _MISSING)}}
    return _any(_having(timestamp=_TIME), untimed)


def _having(**properties: Schema) -> Schema:
    return {"required": [*properties], "properties": properties}


def _at(path: tuple[str, ...], schema: Schema, *, required: bool) -> Schema:
    """Return the schema of objects that have, at a path, a value of a schema."""
    for name in reversed(path):
        schema = {"properties": {name: schema}}
        if required:
            schema |= {"type": "object", "required": [name]}
    return schema


def _any(*schemas: Schema) -> Schema:
    return {"anyOf": [*schemas]}


def _all(*schemas: Schema) -> Schema:
    return {"allOf": [*schemas]}

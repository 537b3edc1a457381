"""Which of Segment's messages are taken, as JSON schemas: what no type of Python's can say.

In a message, every value may be missing; which of them have to be there depends on the others.
This is for the document alone: `wire` and `events` decide.
"""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from behavstats.decode.wire import NAME, OTHER_KINDS, PAGE_KINDS, SEGMENT_KEYS, TIMESTAMP, USER_ID

Schema = dict[str, Any]

_URL = Meta(
    description="An address of which the path is the page's name, or / if it is a host alone.",
    extra_json_schema={"minLength": 1, "format": "page-url"},
)

_USER_ID, _NAME, _TIME, _ADDRESS = (
    msgspec.json.schema(Annotated[str, kind]) for kind in (USER_ID, NAME, TIMESTAMP, _URL)
)
_PAGE_WORDS = {
    "page": "The page on which it happened.",
    "title": "The page's title.",
    "path": "The path of the page's address.",
    "url": "The page's address, of which the path is taken.",
}
_NOT_TOLD: Schema = {"enum": ["", None]}
_NO_TEXT: Schema = {"not": {"type": "string", "minLength": 1}}
_NOT_OURS: Schema = {
    "type": "object",
    "properties": {
        "user_id": {
            "description": "Not in a message: a body with this key is in our own format.",
            "not": {},
        }
    },
}

# What may tell the page, where there is no name: the first that does.
_TELLING = (
    (("properties", "title"), _NAME),
    (("context", "page", "title"), _NAME),
    (("properties", "path"), _NAME),
    (("properties", "url"), _ADDRESS),
    (("context", "page", "url"), _ADDRESS),
)


def message_schemas(message: Schema, reference: Callable[[str], Schema]) -> dict[str, Schema]:
    """Return schemas, by their names, of the messages that are taken.

    `message` is that of the type; `reference` returns one to the schema of a name.
    """
    whole, page_view = reference("Message"), reference("PageMessage")
    untold = {"properties": {"type": _NOT_TOLD}}
    page = _all(page_view, _having(type={"enum": [*PAGE_KINDS]}))
    other = _all(_NOT_OURS, _having(type={"enum": [*OTHER_KINDS]}))
    no_event = {"properties": {"event": {"type": "null"}}}
    marked = _any(*({"required": [key]} for key in SEGMENT_KEYS))
    schemas = {
        "Message": message | {"properties": message["properties"] | _NOT_OURS["properties"]},
        "PageMessage": {
            "title": "PageMessage",
            "description": "A message of a page view: whose, when (else, now), and of which page. "
            "Its name, after its category and a colon, has 2,048 UTF-8 bytes at most.",
            **_all(whole, _user(), _page(), _time()),
        },
        "MessageForPage": {
            "title": "MessageForPage",
            "description": "A message; one that does not say what it is, is a page view.",
            **_any(page, _all(page_view, untold), other),
        },
        "MessageInBatch": {
            "title": "MessageInBatch",
            "description": "A message; one that does not say what it is, is a track if it has an "
            "event, else a page view.",
            **_any(
                page,
                _all(page_view, untold, no_event),
                other,
                _all(_NOT_OURS, untold, marked, _having(event={"not": {"type": "null"}})),
            ),
        },
    }
    properties = schemas["Message"]["properties"]
    words = _PAGE_WORDS | {name: schema["description"] for name, schema in properties.items()}
    return {
        name: schema if name == "Message" else _described(schema, words)
        for name, schema in schemas.items()
    }


def _described(schema: Any, words: dict[str, str]) -> Any:  # noqa: ANN401  any part of a schema
    """Return a schema whose properties, however deep, say what they are, by their names."""
    if isinstance(schema, list):
        return [_described(part, words) for part in schema]
    if not isinstance(schema, dict):
        return schema
    rest = {key: _described(part, words) for key, part in schema.items() if key != "properties"}
    if "properties" not in schema:
        return rest
    # Their names are no keys of a schema: one of them is `properties` as well.
    properties = {
        name: _described(part, words) | {"description": words[name]}
        for name, part in schema["properties"].items()
    }
    return rest | {"properties": properties}


def _user() -> Schema:
    """Return what names the user: `userId`, else `anonymousId`."""
    nobody = {"properties": {"userId": _NOT_TOLD}}
    known = _any(_USER_ID, {"type": "integer"})
    return _any(_having(userId=known), _all(nobody, _having(anonymousId=known)))


def _page() -> Schema:
    """Return what names the page; what is looked at before it is silent."""
    unnamed = {"properties": {"name": _NOT_TOLD}}
    silent: list[Schema] = [unnamed]
    ways = [_having(name=_NAME)]
    for path, kind in _TELLING:
        ways.append(_all(*silent, _at(path, kind, required=True)))
        silent.append(_at(path, _NO_TEXT, required=False))
    return _any(*ways)


def _time() -> Schema:
    """Return what tells the time, if anything does: `timestamp`, else `originalTimestamp`."""
    untimed = {"properties": {"timestamp": _NOT_TOLD, "originalTimestamp": _any(_TIME, _NOT_TOLD)}}
    return _any(_having(timestamp=_TIME), untimed)


def _having(**properties: Schema) -> Schema:
    return {"required": [*properties], "properties": properties}


def _at(path: tuple[str, ...], schema: Schema, *, required: bool) -> Schema:
    """Return the schema of objects that hold, at a path, what a schema describes."""
    for name in reversed(path):
        schema = {"properties": {name: schema}}
        if required:
            schema |= {"type": "object", "required": [name]}
    return schema


def _any(*schemas: Schema) -> Schema:
    return {"anyOf": [*schemas]}


def _all(*schemas: Schema) -> Schema:
    return {"allOf": [*schemas]}

"""Which of Segment's messages are taken, as JSON schemas: what no type of Python's can say.

In a message, every value may be missing; which of them have to be there depends on the others.
This is for the document alone: `wire` and `events` decide.
"""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from behavstats.wire import NAME, OTHERS, PAGES, THEIRS, TIMESTAMP, USER_ID

Schema = dict[str, Any]

_URL = Meta(
    description="An address of which the path is the page's name, or / if it is a host alone.",
    extra_json_schema={"minLength": 1, "format": "page-url"},
)

_USER_ID, _NAME, _TIME, _ADDRESS = (
    msgspec.json.schema(Annotated[str, kind]) for kind in (USER_ID, NAME, TIMESTAMP, _URL)
)
_NOT_TOLD: Schema = {"enum": ["", None]}
_NO_TEXT: Schema = {"not": {"type": "string", "minLength": 1}}
_NOT_OURS: Schema = {
    "type": "object",
    "properties": {"user_id": {"description": "Marks our own format.", "not": {}}},
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
    page = _all(page_view, _having(type={"enum": [*PAGES]}))
    other = _all(_NOT_OURS, _having(type={"enum": [*OTHERS]}))
    no_event = {"properties": {"event": {"type": "null"}}}
    marked = _any(*({"required": [key]} for key in THEIRS))
    return {
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

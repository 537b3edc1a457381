"""The schemas of the OpenAPI document: of types, and of texts with a media type."""

from typing import Any

import msgspec

from behavstats.decode.wire import Message, WireEvent
from behavstats.model.profile import FIELDS, Details, Profile
from behavstats.server.messages import Batch
from behavstats.server.openapi_segment import Schema, message_schemas
from behavstats.server.schemas import Counted, Done, Erased, Failure, Project

_REF = "#/components/schemas/{name}"
_TYPES = (WireEvent, Message, Batch, Done, Counted, Erased, Failure, Project, Details)


def content_of(kind: Any, example: Any) -> Schema:  # noqa: ANN401  types are anything
    """Return the content of a body: of a type, or a text of the media types that `kind` lists."""
    example = msgspec.to_builtins(example)
    if isinstance(kind, str):
        text = {"schema": {"type": "string"}, "example": example}
        return dict.fromkeys(kind.split(", "), text)
    if kind is Profile:
        return {"application/json": {"schema": reference_to("Profile"), "example": example}}
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=_REF)
    return {"application/json": {"schema": schema, "example": example}}


def reference_to(name: str) -> Schema:
    """Return a reference to the schema of a name."""
    return {"$ref": _REF.format(name=name)}


def components() -> Schema:
    """Return the schemas that the document refers to, by their names."""
    _, schemas = msgspec.json.schema_components(_TYPES, ref_template=_REF)
    schemas |= message_schemas(schemas["Message"], reference_to)
    # The keys of a profile contain the number of days, which no type can say.
    details = schemas.pop("Details")
    keys = {key.format(days="[0-9]+"): kind for key, kind in FIELDS.items()}
    schemas["Profile"] = {
        "title": "Profile",
        "description": "What a user did in a window of days; the rest of it with `?detail=true`.",
        "type": "object",
        "required": ["user_id"],
        "minProperties": len(FIELDS),
        "patternProperties": {f"^{key}$": msgspec.json.schema(kind) for key, kind in keys.items()},
        "properties": details["properties"],
        "additionalProperties": False,
    }
    return schemas

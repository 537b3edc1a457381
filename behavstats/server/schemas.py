"""The JSON objects of the HTTP interface, as types from which OpenAPI takes their schemas."""

from typing import Annotated, Any, Literal, Self

import msgspec
from msgspec import UNSET, Meta, UnsetType

from behavstats.errors import BehavstatsError


def _described(text: str) -> Meta:
    """Return the description of a field in its schema: what it is, and in which unit."""
    return Meta(description=text)


class Done(msgspec.Struct):
    """The request was done, and its result is durable."""

    success: Annotated[Literal[True], _described("Always true: failures have another form.")] = True


class Counted(Done, kw_only=True):
    """How many messages of a durable batch are page views or other messages, or were rejected.

    Rejected messages are kept as well; `behavstats rejects` lists them with their reasons.
    """

    page_views: Annotated[int, _described("Messages that are page views, new ones or not.")]
    others: Annotated[int, _described("Messages of other kinds, which are counted and not stored.")]
    rejected: Annotated[int, _described("Messages that are invalid, and are kept to be repaired.")]


class Erased(Done, kw_only=True):
    """The erasure of a user, and how much was erased."""

    user_id: Annotated[str, _described("The user who was erased.")]
    page_views: Annotated[int, _described("Page views of the user that were erased.")]
    page_names: Annotated[
        int, _described("Names of pages that were erased, because no other user viewed them.")
    ]
    rejected_lines: Annotated[
        int, _described("Rejected lines that named the user, and were erased.")
    ]


class SegmentIntegration(msgspec.Struct, rename="camel"):
    """Where Segment's browser client sends messages: `apiHost` is a host with a path."""

    api_key: Annotated[str, _described("The write key to send with.")]
    api_host: Annotated[str, _described("Host, port and path to send to, without a scheme.")]
    protocol: Annotated[Literal["http", "https"], _described("The scheme to send with.")]


class Integrations(msgspec.Struct):
    """Where Segment's browser client sends messages: to this server only."""

    segment: Annotated[SegmentIntegration, _described("Where to send to: this server.")] = (
        msgspec.field(name="Segment.io")
    )


class Project(msgspec.Struct, rename="camel"):
    """The settings of a project, in the form that Segment's browser client reads."""

    integrations: Annotated[Integrations, _described("Where messages go.")]
    plan: Annotated[dict[str, Any], _described("A tracking plan: always empty.")] = {}


class Failure(msgspec.Struct):
    """What went wrong: a stable code and a message. `field` names the wrong value, if possible."""

    code: Annotated[str, _described("What went wrong, for a program. The code never changes.")]
    message: Annotated[str, _described("What went wrong, for a person, in one line.")]
    field: Annotated[str | UnsetType, _described("The key or parameter whose value is wrong.")] = (
        UNSET
    )
    success: Annotated[Literal[False], _described("Always false.")] = False

    @classmethod
    def of(cls, error: BehavstatsError) -> Self:
        """Return the failure that an error describes."""
        return cls(error.code, str(error), getattr(error, "field", None) or UNSET)

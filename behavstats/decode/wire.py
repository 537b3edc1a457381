"""The two wire formats of page views: our own, and the messages of Segment.

Segment's clients and RudderStack's send these messages. They are translated into our format here
and then checked by the same rules. See https://segment.com/docs/connections/spec/.
"""

from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from behavstats.errors import InvalidInput

KINDS = ("page", "screen", "track", "identify", "group", "alias")
"""The kinds of messages."""

PAGE_KINDS, OTHER_KINDS = KINDS[:2], KINDS[2:]
"""The kinds that are page views, and the other kinds, which are counted and not stored."""

# Descriptions for the schema; `check_user_id` and the like do the checks.
USER_ID = Meta(
    description="The user's id: 1 to 512 UTF-8 bytes, without NUL.",
    extra_json_schema={"minLength": 1, "maxLength": 512, "format": "user-id"},
)
NAME = Meta(
    description="The page's name, such as its path: 1 to 2,048 UTF-8 bytes, without NUL.",
    extra_json_schema={"minLength": 1, "maxLength": 2048, "format": "page-name"},
)
TIMESTAMP = Meta(
    description="When it was viewed: RFC 3339 with Z or an offset, from 1970 to 24 hours from now; "
    "digits finer than a millisecond are cut off.",
    extra_json_schema={"format": "date-time"},
)
INSTANT = Meta(
    description="RFC 3339 with Z or an offset, from 1970 to 9999.",
    extra_json_schema={"format": "date-time"},
)

SEGMENT_KEYS = ("userId", "anonymousId", "type", "messageId")
"""Keys that mark a Segment message, unless it has `user_id`, which marks our own format."""

_Id = str | int | None  # a whole number counts as the text of its digits
_Empty = list[Any] | None  # PHP writes an empty object as an empty array
_Text = str | None


class WireEvent(msgspec.Struct, gc=False):
    """A page view in our own format; other keys are skipped."""

    user_id: Annotated[str, USER_ID]
    name: Annotated[str, NAME]
    timestamp: Annotated[str, TIMESTAMP]


class _Page(msgspec.Struct, gc=False):
    """What the caller of a client library, or the library itself, says about the page."""

    title: Annotated[Any, Meta(description="The page's title.")] = None
    path: Annotated[Any, Meta(description="The path of the page's address.")] = None
    url: Annotated[Any, Meta(description="The page's address, whose path is used.")] = None


class _Context(msgspec.Struct, gc=False):
    """The context of a message."""

    page: Annotated[
        _Page | _Empty, Meta(description="The page on which it happened; an array counts as empty.")
    ] = None


class Typed(msgspec.Struct, gc=False):
    """The keys that determine the kind of a Segment message."""

    type: Annotated[
        _Text,
        Meta(description=f"The kind: one of {', '.join(KINDS)}; without it, the route decides."),
    ] = None
    event: Annotated[
        Any,
        Meta(description="The name of what happened; a message without a type is then a track."),
    ] = None

    def kind(self, assumed: str | None) -> str:
        """Return the kind of the message, one of `KINDS`; `assumed`, if it has no type.

        Exports of a single kind may leave the type out; a track has an event. Raises InvalidInput
        if the type is unknown.
        """
        kind = self.type or assumed or ("page" if self.event is None else "track")
        if kind not in KINDS:
            raise InvalidInput("invalid_type", f"type is not one of {', '.join(KINDS)}", "type")
        return kind


class Message(Typed, gc=False, rename="camel"):
    """A Segment message; other keys are skipped."""

    user_id: Annotated[
        _Id, Meta(description="The user's id; a whole number counts as the text of its digits.")
    ] = None
    anonymous_id: Annotated[
        _Id, Meta(description="The id of a visitor; used if `userId` is missing or empty.")
    ] = None
    name: Annotated[
        _Text, Meta(description="The page's name; without it, the title or path is used.")
    ] = None
    category: Annotated[Any, Meta(description="Put before the name, with a colon.")] = None
    properties: Annotated[
        _Page | _Empty,
        Meta(description="What the caller says about the page; an array counts as empty."),
    ] = None
    context: Annotated[
        _Context | _Empty, Meta(description="The context of the message; an array counts as empty.")
    ] = None
    timestamp: Annotated[
        _Text,
        Meta(description="When it happened, RFC 3339 with Z or an offset; without it, now."),
    ] = None
    original_timestamp: Annotated[
        _Text, Meta(description="Another name for `timestamp`; used if that is missing.")
    ] = None
    sent_at: Annotated[
        Any,
        Meta(
            description="When it was sent, by the sender's clock; corrects a clock that is wrong."
        ),
    ] = None
    received_at: Annotated[
        Any, Meta(description="When it first arrived; the export of rejected messages adds it.")
    ] = None
    message_id: Annotated[
        Any, Meta(description="Identifies the message, so that it counts once.")
    ] = None

    @property
    def is_marked(self) -> bool:
        """Whether a value marks this as a Segment message; a key alone may be null or empty."""
        return bool(
            self.type or _as_text(self.user_id) or _as_text(self.anonymous_id) or self.message_id
        )

    @property
    def user(self) -> str:
        """The user's id: `userId`, or `anonymousId` if that is missing or empty."""
        user = _as_text(self.user_id) or _as_text(self.anonymous_id)
        if not user:
            raise InvalidInput("missing_key", "userId and anonymousId are missing", "userId")
        return user

    @property
    def page(self) -> str:
        """The page's name: `name` after its `category`, or else the first title, path or url."""
        if self.name:
            category = self.category
            return f"{category}: {self.name}" if _is_text(category) else self.name
        own = self.properties if isinstance(self.properties, _Page) else _Page()
        context = self.context if isinstance(self.context, _Context) else _Context()
        around = context.page if isinstance(context.page, _Page) else _Page()
        names = (own.title, around.title, own.path, _path(own.url), _path(around.url))
        page = next(filter(_is_text, names), None)
        if page is None:
            message = "there is no name, title, path or url of the page"
            raise InvalidInput("missing_key", message, "name")
        return str(page)

    def as_event(self) -> WireEvent:
        """Return the page view in our own format.

        Raises ValueError if the message is not a page view, or if that depends on how it arrived.
        """
        if self.type not in PAGE_KINDS or not self.time:
            raise ValueError("the type or the time is missing, or this is not a page view")
        return WireEvent(self.user, self.page, self.time)

    @property
    def time(self) -> str | None:
        """When the message happened by the sender's clock; None if the message does not say."""
        return self.timestamp or self.original_timestamp or None


def may_be_own_format(text: bytes) -> bool:
    """Return whether a JSON text may have the key `user_id`, perhaps written with escapes."""
    return b'"user_id"' in text or b"\\u00" in text


def _as_text(user: str | int | None) -> str | None:
    """Return an id as text; some clients send a number, and 0 is a valid id."""
    return str(user) if isinstance(user, int) else user


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _path(url: object) -> str | None:
    """Return the path of an address, `/` if it has only a host, or None if it has neither."""
    if not isinstance(url, str):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return parts.path or ("/" if parts.netloc else None)

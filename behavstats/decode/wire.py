"""The two formats in which page views come over the wire: our own, and Segment's messages.

Segment's, as its own clients and RudderStack's send it, is translated into ours here, and checked
by the same rules afterwards. What a message may hold: https://segment.com/docs/connections/spec/.
"""

from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from behavstats.errors import InvalidInput

KINDS = ("page", "screen", "track", "identify", "group", "alias")
"""What a message can be."""

PAGES, OTHERS = KINDS[:2], KINDS[2:]
"""Those of them that are page views, and the others, which are counted and not stored."""

# What these values are, for a schema; whether they are, `events` checks.
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

THEIRS = ("userId", "anonymousId", "type", "messageId")
"""Keys that mark a Segment message; but `user_id` marks ours."""

_Id = str | int | None  # the digits of a whole number are its text
_Empty = list[Any] | None  # PHP writes an empty object as an array
_Text = str | None


class WireEvent(msgspec.Struct, gc=False):
    """A page view as it comes over the wire; other keys are skipped."""

    user_id: Annotated[str, USER_ID]
    name: Annotated[str, NAME]
    timestamp: Annotated[str, TIMESTAMP]


class _Page(msgspec.Struct, gc=False):
    """What the library that sends a message knows of the page, or what its caller told."""

    title: Annotated[Any, Meta(description="The page's title.")] = None
    path: Annotated[Any, Meta(description="The path of the page's address.")] = None
    url: Annotated[Any, Meta(description="The page's address, of which the path is taken.")] = None


class _Context(msgspec.Struct, gc=False):
    """What surrounds a message."""

    page: Annotated[
        _Page | _Empty, Meta(description="The page on which it happened; an array counts as empty.")
    ] = None


class Typed(msgspec.Struct, gc=False):
    """What tells the kind of a message of a Segment client."""

    type: Annotated[
        _Text, Meta(description=f"What it is: one of {', '.join(KINDS)}; else, its route tells.")
    ] = None
    event: Annotated[
        Any,
        Meta(description="The name of what happened: marks a track that does not say its type."),
    ] = None

    def kind(self, assumed: str | None) -> str:
        """Return what the message is, one of `KINDS`; what is `assumed`, if it does not say that.

        Exports of one kind may leave it out; a track has an event.
        """
        kind = self.type or assumed or ("page" if self.event is None else "track")
        if kind not in KINDS:
            raise InvalidInput("invalid_type", f"type is not one of {', '.join(KINDS)}", "type")
        return kind


class Message(Typed, gc=False, rename="camel"):
    """A message of a Segment client; other keys are skipped."""

    user_id: Annotated[
        _Id, Meta(description="The user's id; a whole number counts as the text of its digits.")
    ] = None
    anonymous_id: Annotated[
        _Id, Meta(description="The id of a visitor: the user, where `userId` is missing or empty.")
    ] = None
    name: Annotated[_Text, Meta(description="The page's name; else its title or path tells.")] = (
        None
    )
    category: Annotated[Any, Meta(description="Stands before the name, with a colon.")] = None
    properties: Annotated[
        _Page | _Empty,
        Meta(description="What the caller told of the page; an array counts as empty."),
    ] = None
    context: Annotated[
        _Context | _Empty, Meta(description="What surrounds the message; an array counts as empty.")
    ] = None
    timestamp: Annotated[
        _Text, Meta(description="When it happened, RFC 3339 with Z or an offset; else, now.")
    ] = None
    original_timestamp: Annotated[
        _Text, Meta(description="The same by another name; it counts where `timestamp` is missing.")
    ] = None
    sent_at: Annotated[
        Any,
        Meta(description="When it was sent, by the sender's clock: corrects one that is wrong."),
    ] = None
    received_at: Annotated[
        Any, Meta(description="When it first arrived; the export of rejected messages adds it.")
    ] = None
    message_id: Annotated[
        Any, Meta(description="Tells the message from others, so that it counts once.")
    ] = None

    @property
    def is_marked(self) -> bool:
        """Whether this is a Segment message, and not something else, or nothing."""
        return bool(self.type or _told(self.user_id) or _told(self.anonymous_id) or self.message_id)

    @property
    def user(self) -> str:
        """The user's id: `userId`, else `anonymousId`; either may be empty."""
        user = _told(self.user_id) or _told(self.anonymous_id)
        if not user:
            raise InvalidInput("missing_key", "userId and anonymousId are missing", "userId")
        return user

    @property
    def page(self) -> str:
        """The page's name: `name`, after its `category`, or the first of what else tells it."""
        if self.name:
            category = self.category
            return f"{category}: {self.name}" if _is_text(category) else self.name
        own = self.properties if isinstance(self.properties, _Page) else _Page()
        context = self.context if isinstance(self.context, _Context) else _Context()
        around = context.page if isinstance(context.page, _Page) else _Page()
        told = (own.title, around.title, own.path, _path(own.url), _path(around.url))
        page = next(filter(_is_text, told), None)
        if page is None:
            message = "nothing tells the page: no name, title, path or url"
            raise InvalidInput("missing_key", message, "name")
        return str(page)

    def as_event(self) -> WireEvent:
        """Return the page view in our own format.

        ValueError if the message is none, or if that depends on how it arrived.
        """
        if self.type not in PAGES or not self.time:
            raise ValueError("not plainly a page view")
        return WireEvent(self.user, self.page, self.time)

    @property
    def time(self) -> str | None:
        """When it happened, by the sender's clock, if that is told."""
        return self.timestamp or self.original_timestamp or None


def may_be_ours(text: bytes) -> bool:
    """Return whether JSON may have the key that marks our format, be it written with escapes."""
    return b'"user_id"' in text or b"\\u00" in text


def _told(user: str | int | None) -> str | None:
    """Return an id as text: some clients send a number as it is, and 0 is one as well."""
    return str(user) if isinstance(user, int) else user


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _path(url: object) -> str | None:
    """Return the path of an address, `/` of a host alone; None where there is none."""
    if not isinstance(url, str):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return parts.path or ("/" if parts.netloc else None)

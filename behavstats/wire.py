"""The two formats in which page views come over the wire: our own, and Segment's messages.

Segment's, as its own clients and RudderStack's send it, is translated into ours here, and checked
by the same rules afterwards. What a message may hold: https://segment.com/docs/connections/spec/.
"""

from typing import Annotated, Any, TypeVar
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
    description="1 to 512 UTF-8 bytes, without NUL.",
    extra_json_schema={"minLength": 1, "maxLength": 512, "format": "user-id"},
)
NAME = Meta(
    description="1 to 2,048 UTF-8 bytes, without NUL.",
    extra_json_schema={"minLength": 1, "maxLength": 2048, "format": "page-name"},
)
TIMESTAMP = Meta(
    description="RFC 3339 with Z or an offset, from 1970 to 24 hours from now; digits finer than "
    "a millisecond are cut off.",
    extra_json_schema={"format": "date-time"},
)
INSTANT = Meta(
    description="RFC 3339 with Z or an offset, from 1970 to 9999.",
    extra_json_schema={"format": "date-time"},
)

THEIRS = ("userId", "anonymousId", "type", "messageId")
"""Keys that mark a Segment message; but `user_id` marks ours."""

_Part = TypeVar("_Part")
_Optional = Annotated[_Part | list[Any] | None, Meta(description="An array counts as empty.")]


class WireEvent(msgspec.Struct, gc=False):
    """A page view as it comes over the wire; other keys are skipped."""

    user_id: Annotated[str, USER_ID]
    name: Annotated[str, NAME]
    timestamp: Annotated[str, TIMESTAMP]


class _Page(msgspec.Struct, gc=False):
    """What the library that sends a message knows of the page, or what its caller told."""

    title: Any = None
    path: Any = None
    url: Any = None


class _Context(msgspec.Struct, gc=False):
    """What surrounds a message."""

    page: _Optional[_Page] = None


class Typed(msgspec.Struct, gc=False):
    """What tells the kind of a message of a Segment client."""

    type: str | None = None
    event: Any = None

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

    user_id: str | None = None
    anonymous_id: str | None = None
    name: str | None = None
    category: Any = None
    properties: _Optional[_Page] = None
    context: _Optional[_Context] = None
    timestamp: str | None = None
    original_timestamp: str | None = None
    sent_at: Any = None
    received_at: Any = None
    message_id: Any = None

    @property
    def is_marked(self) -> bool:
        """Whether this is a Segment message, and not something else, or nothing."""
        return any((self.type, self.user_id, self.anonymous_id, self.message_id))

    @property
    def user(self) -> str:
        """The user's id: `userId`, else `anonymousId`; either may be empty."""
        user = self.user_id or self.anonymous_id
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

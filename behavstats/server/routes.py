"""The contract of the HTTP interface: every route, in one table.

The application takes its routes and rights from it, the metrics their labels, `openapi` the
document.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple, Self

import msgspec
from msgspec import UNSET, Meta, UnsetType

from behavstats.decode.wire import INSTANT, KINDS, PAGES, USER_ID, Message, WireEvent
from behavstats.errors import BehavstatsError, NothingThere, UnknownUser
from behavstats.model.profile import MAX_DAYS, Profile
from behavstats.server.auth import KEY_IN_QUERY, Scope
from behavstats.server.payload import Batch
from behavstats.server.swagger_ui import TYPES


def _said(words: str) -> Meta:
    """Return what a schema says of a field: what it is, and in which unit."""
    return Meta(description=words)


class Done(msgspec.Struct):
    """What was asked is done, and durable."""

    success: Annotated[Literal[True], _said("Always true: a failure has another form.")] = True


class Counted(Done, kw_only=True):
    """A batch is durable: how many of its messages are page views, others, and were rejected.

    Rejected messages are kept, too: `behavstats rejects` lists them, and why.
    """

    page_views: Annotated[int, _said("Messages that are page views, new ones or not.")]
    others: Annotated[int, _said("Messages of other kinds, which are counted and not stored.")]
    rejected: Annotated[int, _said("Messages that could not be read, and are kept apart.")]


class Erased(Done, kw_only=True):
    """What was erased of a user."""

    user_id: Annotated[str, _said("The user who was erased.")]
    page_views: Annotated[int, _said("Page views of the user that were erased.")]
    page_names: Annotated[int, _said("Names of pages that were erased: nobody else viewed them.")]
    rejected_lines: Annotated[int, _said("Rejected lines that named the user, and were erased.")]


class SegmentIntegration(msgspec.Struct, rename="camel"):
    """Where Segment's client for browsers sends to: `apiHost` is a host with a path."""

    api_key: Annotated[str, _said("The write key to send with.")]
    api_host: Annotated[str, _said("Host, port and path to send to, without a scheme.")]
    protocol: Annotated[Literal["http", "https"], _said("The scheme to send by.")]


class Integrations(msgspec.Struct):
    """Where messages go: here, and nowhere else."""

    segment: Annotated[SegmentIntegration, _said("Where to send to: this server.")] = msgspec.field(
        name="Segment.io"
    )


class Project(msgspec.Struct, rename="camel"):
    """The settings of a project, as Segment's client for browsers reads them."""

    integrations: Annotated[Integrations, _said("Where messages go.")]
    plan: Annotated[dict[str, Any], _said("A tracking plan: always empty.")] = {}


class Failure(msgspec.Struct):
    """What went wrong: a stable code, and words; `field` names a wrong value that has a name."""

    code: Annotated[str, _said("What went wrong, for a program: it stays the same.")]
    message: Annotated[str, _said("What went wrong, for a person, in one line.")]
    field: Annotated[str | UnsetType, _said("The key or parameter whose value is wrong.")] = UNSET
    success: Annotated[Literal[False], _said("Always false.")] = False

    @classmethod
    def of(cls, error: BehavstatsError) -> Self:
        """Return what an error says."""
        return cls(error.code, str(error), getattr(error, "field", None) or UNSET)


class Parameter(NamedTuple):
    """A value in the path or the query; a person is shown `example`, and may try it."""

    name: str
    where: str
    type: Any
    words: str
    example: Any = None


class Tag(NamedTuple):
    """A heading over routes."""

    name: str
    words: str


PROFILES = Tag("Profiles", "What a user did, and erasing a user.")
SENDING = Tag("Sending", "Page views in: one by one, or many at once.")
RUNNING = Tag("Running", "For those who run the server: health, readiness and counts.")
CONTRACT = Tag("This document", "The interface itself, for a person and for a machine.")
ALIASES = Tag("Aliases", "The same as under Sending, by the paths that other clients know.")
TAGS = (PROFILES, SENDING, RUNNING, CONTRACT, ALIASES)
"""All of them, in the order in which a reader wants them."""


class Route(NamedTuple):
    """One method of one path; types of what it takes and gives, or the media types of a text.

    `answer` names the application's method for it. `kind` is what comes this way, as in `Arrival`.
    `is_slow` marks what may take seconds, `is_stored` what asks the store. `absent` is the error
    that says that what is asked for is not there.
    """

    method: str
    path: str
    answer: str
    summary: str
    tag: Tag
    scope: Scope = Scope.NOTHING
    takes: tuple[Any, ...] = ()
    gives: Any = Done
    parameters: tuple[Parameter, ...] = ()
    kind: str | None = None
    is_slow: bool = False
    is_stored: bool = True
    absent: BehavstatsError | None = None

    @property
    def in_query(self) -> tuple[str, ...]:
        """The names of what may stand in the query; the key, wherever one is needed."""
        names = (parameter.name for parameter in self.parameters if parameter.where == "query")
        return (*names, *((KEY_IN_QUERY,) if self.scope else ()))


_USER_ID = Parameter(
    "user_id",
    "path",
    Annotated[str, USER_ID],
    "The user's id, percent-encoded; a slash in it may stay as it is.",
    "019mr8mf4r",
)
_WINDOW = (
    Parameter(
        "days",
        "query",
        Annotated[int, Meta(ge=1, le=MAX_DAYS)],
        "The window's length, in days of 24 hours; without it, 7.",
        7,
    ),
    Parameter(
        "as_of",
        "query",
        Annotated[str, INSTANT],
        "The window's end, such as 2026-11-15T00:00:00Z; without it, now.",
    ),
    Parameter("detail", "query", bool, "Whether to add visits, days and pages.", False),
)
_FILE = Parameter("file", "path", Literal[tuple(TYPES)], "Its name.", "swagger-ui.css")
_KEY = Parameter("key", "path", str, "A write key.", "a-write-key-of-16-or-more")
_UNKNOWN = UnknownUser(_USER_ID.example)


def _intake() -> Iterator[Route]:
    for kind in KINDS:
        is_page = kind in PAGES
        summary = "Send a page view" if is_page else f"Send a message that is counted: {kind}"
        takes = (WireEvent, Message) if is_page else (dict[str, Any],)
        sending = partial(Route, scope=Scope.SENDING, takes=takes, kind=kind)
        for path, tag in ((f"/v1/{kind}", SENDING), (f"/v1/{kind[0]}", ALIASES)):
            yield sending("POST", path, "post_message", summary, tag)
        if kind == PAGES[0]:
            yield from _batches()


def _batches() -> Iterator[Route]:
    sending = partial(Route, scope=Scope.SENDING, takes=(Batch,), gives=Counted)
    summary = "Send a batch of messages"
    yield sending("POST", "/v1/batch", "post_batch", summary, SENDING)
    for path in ("/v1/b", "/v1/import", "/beacon/v1/batch"):
        yield sending("POST", path, "post_batch", summary, ALIASES)


ROUTES = (
    Route(
        "GET",
        "/v1/user/{user_id}",
        "get_user",
        "Read a user's profile",
        PROFILES,
        Scope.EVERYTHING,
        gives=Profile,
        parameters=(_USER_ID, *_WINDOW),
        absent=_UNKNOWN,
    ),
    Route(
        "DELETE",
        "/v1/user/{user_id}",
        "delete_user",
        "Erase a user: the page views, and all that is derived from them",
        PROFILES,
        Scope.EVERYTHING,
        gives=Erased,
        parameters=(_USER_ID,),
        is_slow=True,
        absent=_UNKNOWN,
    ),
    *_intake(),
    Route(
        "GET",
        "/v1/projects/{key}/settings",
        "get_project",
        "What Segment's client for browsers asks before it sends",
        SENDING,
        Scope.SENDING,
        gives=Project,
        is_stored=False,
        parameters=(_KEY,),
    ),
    Route("GET", "/healthz", "get_health", "Whether the store can be read", RUNNING),
    Route(
        "GET",
        "/readyz",
        "get_readiness",
        "Whether page views can be taken now",
        RUNNING,
        is_slow=True,
    ),
    Route(
        "GET",
        "/metrics",
        "get_metrics",
        "Counts, bytes and seconds, for Prometheus",
        RUNNING,
        Scope.EVERYTHING,
        gives="text/plain",
        is_slow=True,
        is_stored=False,
    ),
    Route(
        "GET",
        "/openapi.json",
        "get_openapi",
        "This document",
        CONTRACT,
        gives=Mapping[str, Any],
        is_stored=False,
    ),
    Route(
        "GET",
        "/docs",
        "get_docs",
        "This document, to be read in a browser",
        CONTRACT,
        gives="text/html",
        is_stored=False,
    ),
    Route(
        "GET",
        "/docs/{file}",
        "get_docs_file",
        "A file that this page needs",
        CONTRACT,
        gives="text/css, text/javascript",
        parameters=(_FILE,),
        is_stored=False,
        absent=NothingThere("other.css"),
    ),
)
"""All of them."""

_SLOW = [op for op in ROUTES if op.is_slow]
_BEGINNINGS = {
    method: tuple(op.path.partition("{")[0] for op in _SLOW if op.method == method)
    for method in {op.method for op in _SLOW}
}


def is_slow(method: str, path: str) -> bool:
    """Return whether a request may take seconds."""
    return path.startswith(_BEGINNINGS.get(method, ()))

"""The route table: each route of the HTTP interface, with its handler.

The application takes its routes and scopes from this table, the metrics take their labels from it,
and `openapi` generates the OpenAPI document from it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Annotated, Any, Literal, NamedTuple

from msgspec import Meta

from behavstats.decode.wire import INSTANT, KINDS, PAGE_KINDS, USER_ID, Message, WireEvent
from behavstats.errors import BehavstatsError, NothingThere, UnknownUser
from behavstats.model.profile import MAX_DAYS, Profile
from behavstats.server.auth import KEY_IN_QUERY, Scope
from behavstats.server.handlers import Handlers
from behavstats.server.messages import Batch
from behavstats.server.request import Pending, Request, Response
from behavstats.server.schemas import Counted, Done, Erased, Project
from behavstats.server.swagger_ui import TYPES


class Parameter(NamedTuple):
    """A value in the path or the query. The documentation page shows `example` and can send it."""

    name: str
    where: str
    type: Any
    description: str
    example: Any = None


class Tag(NamedTuple):
    """A heading over routes in the documentation."""

    name: str
    description: str


PROFILES = Tag("Profiles", "What a user did, and erasing a user.")
SENDING = Tag("Sending", "Sending page views, one by one or many at once.")
RUNNING = Tag("Running", "For the operators of the server: health, readiness and metrics.")
DOCUMENTATION = Tag("This document", "The description of the interface, for people and programs.")
ALIASES = Tag("Aliases", "The operations under Sending, at the paths that other clients use.")
TAGS = (PROFILES, SENDING, RUNNING, DOCUMENTATION, ALIASES)
"""All tags, in the order in which a reader needs them."""


@dataclass(frozen=True, eq=False)
class Route:
    """One method of one path, and its handler.

    `takes` are the types that the body may have; without types, the body is not read. `gives` is
    the type of the response, or the media types of a text. `kind` is the kind of message that this
    route accepts, as in `Arrival`. A route that `is_slow` may take seconds and runs in a thread.
    `is_stored` says that the handler uses the store. `absent` is the error for a user or file that
    does not exist. If a route `is_public`, neither key, origin nor query is checked.
    """

    method: str
    path: str
    handler: Callable[[Handlers, Request], Response | Pending]
    summary: str
    tag: Tag | None = None
    scope: Scope = Scope.NOTHING
    takes: tuple[Any, ...] = ()
    gives: Any = Done
    parameters: tuple[Parameter, ...] = ()
    kind: str | None = None
    is_slow: bool = False
    is_stored: bool = True
    absent: BehavstatsError | None = None
    is_public: bool = False

    @cached_property
    def in_query(self) -> tuple[str, ...]:
        """The names of the parameters that the query may have, which can include the key."""
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
        "The window's length in days of 24 hours; 7 by default.",
        7,
    ),
    Parameter(
        "as_of",
        "query",
        Annotated[str, INSTANT],
        "The window's end, such as 2026-11-15T00:00:00Z; now by default.",
    ),
    Parameter("detail", "query", bool, "Whether to add visits, days and pages.", False),
)
_FILE = Parameter("file", "path", Literal[tuple(TYPES)], "The file's name.", "swagger-ui.css")
_KEY = Parameter("key", "path", str, "A write key.", "a-write-key-of-16-or-more")
_UNKNOWN = UnknownUser(_USER_ID.example)


def _sending_routes() -> Iterator[Route]:
    for kind in KINDS:
        is_page = kind in PAGE_KINDS
        summary = "Send a page view" if is_page else f"Send a message that is counted: {kind}"
        takes = (WireEvent, Message) if is_page else (dict[str, Any],)
        handler = partial(Handlers.post_message, kind=kind)
        sending = partial(Route, scope=Scope.SENDING, takes=takes, kind=kind)
        for path, tag in ((f"/v1/{kind}", SENDING), (f"/v1/{kind[0]}", ALIASES)):
            yield sending("POST", path, handler, summary, tag)
        if kind == PAGE_KINDS[0]:
            yield from _batch_routes()


def _batch_routes() -> Iterator[Route]:
    sending = partial(Route, scope=Scope.SENDING, takes=(Batch,), gives=Counted)
    summary = "Send a batch of messages"
    yield sending("POST", "/v1/batch", Handlers.post_batch, summary, SENDING)
    for path in ("/v1/b", "/v1/import", "/beacon/v1/batch"):
        yield sending("POST", path, Handlers.post_batch, summary, ALIASES)


ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        "/v1/user/{user_id}",
        Handlers.get_user,
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
        Handlers.delete_user,
        "Erase a user: the page views, and everything that is derived from them",
        PROFILES,
        Scope.EVERYTHING,
        gives=Erased,
        parameters=(_USER_ID,),
        is_slow=True,
        absent=_UNKNOWN,
    ),
    *_sending_routes(),
    Route(
        "GET",
        "/v1/projects/{key}/settings",
        Handlers.get_project,
        "Read the settings that Segment's browser client needs before it sends",
        SENDING,
        Scope.SENDING,
        gives=Project,
        is_stored=False,
        parameters=(_KEY,),
    ),
    Route("GET", "/healthz", Handlers.get_health, "Check that the store can be read", RUNNING),
    Route(
        "GET",
        "/readyz",
        Handlers.get_readiness,
        "Check that page views can be stored now",
        RUNNING,
        is_slow=True,
    ),
    Route(
        "GET",
        "/metrics",
        Handlers.get_metrics,
        "Read the metrics, for Prometheus",
        RUNNING,
        Scope.EVERYTHING,
        gives="text/plain",
        is_slow=True,
        is_stored=False,
    ),
    Route(
        "GET",
        "/openapi.json",
        Handlers.get_openapi,
        "This document",
        DOCUMENTATION,
        gives=Mapping[str, Any],
        is_stored=False,
    ),
    Route(
        "GET",
        "/docs",
        Handlers.get_docs,
        "This document, for a browser",
        DOCUMENTATION,
        gives="text/html",
        is_stored=False,
    ),
    Route(
        "GET",
        "/docs/{file}",
        Handlers.get_docs_file,
        "A file that the documentation page needs",
        DOCUMENTATION,
        gives="text/css, text/javascript",
        parameters=(_FILE,),
        is_stored=False,
        absent=NothingThere("other.css"),
    ),
)
"""The documented routes."""

UNDOCUMENTED = (
    Route("GET", "/", Handlers.redirect_to_docs, "Redirect to the documentation", is_public=True),
    *(
        Route(
            "OPTIONS",
            route.path,
            Handlers.preflight,
            "Check whether a page of another origin may send (a preflight)",
            scope=route.scope,
            is_public=True,  # a browser sends no key in a preflight
        )
        for route in ROUTES
        if route.takes
    ),
)
"""The routes that the OpenAPI document leaves out."""

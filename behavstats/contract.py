"""The contract of the HTTP interface: every operation, in one table.

The application takes its routes and rights from it, the metrics their labels, `openapi` the
document.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple, Self

import msgspec
from msgspec import UNSET, Meta, UnsetType

from behavstats.access import KEY_IN_QUERY, Need
from behavstats.docs import TYPES
from behavstats.errors import BehavstatsError
from behavstats.intake import Batch
from behavstats.profile import MAX_DAYS, Profile
from behavstats.wire import INSTANT, KINDS, PAGES, USER_ID, Message, WireEvent


class Done(msgspec.Struct):
    """What was asked is done, and durable."""

    success: Literal[True] = True


class Counted(Done, kw_only=True):
    """A batch is durable: how many of its messages are page views, others, and were rejected.

    Rejected messages are kept, too: `behavstats rejects` lists them, and why.
    """

    page_views: int
    others: int
    rejected: int


class Erased(Done, kw_only=True):
    """What was erased of a user."""

    user_id: str
    page_views: int
    page_names: int
    rejected_lines: int


class SegmentIntegration(msgspec.Struct, rename="camel"):
    """Where Segment's client for browsers sends to: `apiHost` is a host with a path."""

    api_key: str
    api_host: str
    protocol: Literal["http", "https"]


class Integrations(msgspec.Struct):
    """Where messages go: here, and nowhere else."""

    segment: SegmentIntegration = msgspec.field(name="Segment.io")


class Project(msgspec.Struct, rename="camel"):
    """The settings of a project, as Segment's client for browsers reads them."""

    integrations: Integrations
    plan: dict[str, Any] = {}


class Failure(msgspec.Struct):
    """What went wrong: a stable code, and words; `field` names a wrong value that has a name."""

    code: str
    message: str
    field: str | UnsetType = UNSET
    success: Literal[False] = False

    @classmethod
    def of(cls, error: BehavstatsError) -> Self:
        """Return what an error says."""
        return cls(error.code, str(error), getattr(error, "field", None) or UNSET)


class Parameter(NamedTuple):
    """A value in the path or the query; `example` is shown to a person."""

    name: str
    where: str
    type: Any
    words: str
    example: Any


class Operation(NamedTuple):
    """One method of one path; types of what it takes and gives, or the media types of a text.

    `answer` names the application's method for it. `kind` is what comes this way, as in `Arrival`.
    `is_slow` marks what may take seconds.
    """

    method: str
    path: str
    answer: str
    summary: str
    need: Need = Need.NOTHING
    takes: tuple[Any, ...] = ()
    gives: Any = Done
    parameters: tuple[Parameter, ...] = ()
    kind: str | None = None
    is_slow: bool = False

    @property
    def in_query(self) -> tuple[str, ...]:
        """The names of what may stand in the query; the key, wherever one is needed."""
        names = (parameter.name for parameter in self.parameters if parameter.where == "query")
        return (*names, *((KEY_IN_QUERY,) if self.need else ()))


_USER_ID = Parameter(
    "user_id",
    "path",
    Annotated[str, USER_ID],
    "The user's id, percent-encoded; a slash in it may stay as it is.",
    "019mr8mf4r",
)
_WINDOW = (
    Parameter("days", "query", Annotated[int, Meta(ge=1, le=MAX_DAYS)], "The window's length.", 30),
    Parameter(
        "as_of", "query", Annotated[str, INSTANT], "The window's end.", "2026-11-15T00:00:00Z"
    ),
    Parameter("detail", "query", bool, "Whether to add visits, days and pages.", True),
)
_FILE = Parameter("file", "path", Literal[tuple(TYPES)], "Its name.", "swagger-ui.css")
_KEY = Parameter("key", "path", str, "A write key.", "a-write-key-of-16-or-more")


def _intake() -> Iterator[Operation]:
    for path in ("/v1/batch", "/v1/b", "/v1/import", "/beacon/v1/batch"):
        summary = "Send a batch of messages"
        yield Operation("POST", path, "post_batch", summary, Need.SENDING, (Batch,), Counted)
    for kind in KINDS:
        is_page = kind in PAGES
        summary = "Send a page view" if is_page else f"Send a message that is counted: {kind}"
        takes = (WireEvent, Message) if is_page else (dict[str, Any],)
        for path in (f"/v1/{kind}", f"/v1/{kind[0]}"):
            yield Operation("POST", path, "post_message", summary, Need.SENDING, takes, kind=kind)


OPERATIONS = (
    *_intake(),
    Operation(
        "GET",
        "/v1/user/{user_id}",
        "get_user",
        "Read a user's profile",
        Need.EVERYTHING,
        gives=Profile,
        parameters=(_USER_ID, *_WINDOW),
    ),
    Operation(
        "DELETE",
        "/v1/user/{user_id}",
        "delete_user",
        "Erase a user: the page views, and all that is derived from them",
        Need.EVERYTHING,
        gives=Erased,
        parameters=(_USER_ID,),
        is_slow=True,
    ),
    Operation(
        "GET",
        "/v1/projects/{key}/settings",
        "get_project",
        "What Segment's client for browsers asks before it sends",
        Need.SENDING,
        gives=Project,
        parameters=(_KEY,),
    ),
    Operation("GET", "/healthz", "get_health", "Whether the store can be read"),
    Operation(
        "GET", "/readyz", "get_readiness", "Whether page views can be taken now", is_slow=True
    ),
    Operation(
        "GET",
        "/metrics",
        "get_metrics",
        "Counts and times, for Prometheus",
        Need.EVERYTHING,
        gives="text/plain",
        is_slow=True,
    ),
    Operation("GET", "/openapi.json", "get_openapi", "This document", gives=Mapping[str, Any]),
    Operation(
        "GET", "/docs", "get_docs", "This document, to be read in a browser", gives="text/html"
    ),
    Operation(
        "GET",
        "/docs/{file}",
        "get_docs_file",
        "A file that this page needs",
        gives="text/css, text/javascript",
        parameters=(_FILE,),
    ),
)
"""All of them."""

_SLOW = [op for op in OPERATIONS if op.is_slow]
_BEGINNINGS = {
    method: tuple(op.path.partition("{")[0] for op in _SLOW if op.method == method)
    for method in {op.method for op in _SLOW}
}


def is_slow(method: str, path: str) -> bool:
    """Return whether a request may take seconds."""
    return path.startswith(_BEGINNINGS.get(method, ()))

"""The examples of the OpenAPI document, which a reader can send as they are."""

import json
from collections.abc import Mapping
from typing import Any

from behavstats.decode.wire import OTHER_KINDS
from behavstats.errors import InvalidInput
from behavstats.model.profile import Profile, profile
from behavstats.model.summary import summarise
from behavstats.server.auth import Scope
from behavstats.server.routes import Route
from behavstats.server.schemas import (
    Counted,
    Done,
    Erased,
    Integrations,
    Project,
    SegmentIntegration,
)

NOW = "2026-11-15T12:34:56.789Z"
"""Stands for the instant at which a reader asks for the document."""

EVENT = {"user_id": "019mr8mf4r", "name": "/pricing", "timestamp": NOW}
CALL = {
    "userId": "019mr8mf4r",
    "category": "Shop",
    "name": "Pricing",
    "properties": {"url": "https://example.org/pricing", "path": "/pricing", "title": "Prices"},
    "messageId": "ajs-next-1763210096789-9b1c",
    "timestamp": NOW,
}
LINES = f"{json.dumps(EVENT)}\n{json.dumps({'type': 'page', **CALL})}\n"
_SEGMENT = SegmentIntegration("a-write-key-of-16-or-more", "localhost:8000/v1", "http")
EXAMPLES = {
    Done: Done(),
    Counted: Counted(page_views=2, others=1, rejected=0),
    Erased: Erased(user_id="019mr8mf4r", page_views=12, page_names=3, rejected_lines=0),
    Profile: profile("019mr8mf4r", summarise([0, 90_000], ["/", "/pricing"])),
    Project: Project(Integrations(_SEGMENT)),
    Mapping[str, Any]: {"openapi": "3.1.0"},
    "text/plain": "behavstats_page_views_added_total 2.0\n",
    "text/html": "<!doctype html>\n",
    "text/css, text/javascript": "/* */\n",
}


def invalid_input(route: Route) -> InvalidInput:
    """Return an example of an error in a request."""
    if route.kind in OTHER_KINDS:  # any object is valid
        return InvalidInput("not_an_object", "the JSON is not an object")
    if route.takes:
        return InvalidInput("wrong_type", "user_id must be text, not a number", "user_id")
    if "days" in route.in_query:
        return InvalidInput("invalid_days", "days must be 1 to 90, not 0", "days")
    if route.scope is Scope.SENDING:
        return InvalidInput("query_too_long", "the query is over 8,192 bytes long")
    message = "there is no parameter 'days': this operation has no parameters"
    return InvalidInput("unknown_parameter", message, "days")

"""Hooks of schemathesis: strategies for the formats in the document."""

import json
from datetime import datetime, timedelta, timezone

import schemathesis
from hypothesis import strategies as st

_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=120)
_LINE = st.fixed_dictionaries({"type": st.just("track"), "messageId": _TEXT}).map(json.dumps)
_HOSTS = st.sampled_from(("https://example.org", "http://localhost:3000", "//cdn.example", ""))
_ZONES = st.integers(-14 * 60, 14 * 60).map(lambda offset: timezone(timedelta(minutes=offset)))
_TIMES = st.datetimes(
    # Fixed bounds make each run the same.
    datetime.fromisoformat("1970-01-02"),
    datetime.fromisoformat("2026-11-01"),
    timezones=_ZONES,
)

schemathesis.openapi.format("user-id", _TEXT)
schemathesis.openapi.format("page-name", _TEXT)
schemathesis.openapi.format("page-url", st.builds("{}/{}".format, _HOSTS, _TEXT))
schemathesis.openapi.format("date-time", _TIMES.map(datetime.isoformat))
schemathesis.openapi.format("message-lines", st.lists(_LINE, min_size=1).map("\n".join))


@schemathesis.serializer("application/x-ndjson")
def serialize_lines(_: schemathesis.SerializationContext, value) -> bytes:
    """Send text as it is, and any other value as JSON."""
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()


@schemathesis.hook
def filter_case(_: schemathesis.HookContext, case: schemathesis.Case) -> bool:
    """Skip values that are invalid only because of their format, except timestamps.

    Schemathesis takes each text for invalid if it does not know the format. For example, it would
    expect an error for the user id "x".
    """
    mutations = getattr(case.meta.phase.data, "mutations", ()) if case.meta else ()
    return not any(
        "format" in mutation.keywords and not _is_time(mutation) for mutation in mutations
    )


def _is_time(mutation) -> bool:
    return any(name in mutation.schema_pointer for name in ("imestamp", "as_of"))

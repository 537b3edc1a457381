"""What schemathesis has to know: values of the formats that the document names."""

import json
from datetime import datetime, timedelta, timezone

import schemathesis
from hypothesis import strategies as st

_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=120)
_LINE = st.fixed_dictionaries({"type": st.just("track"), "messageId": _TEXT}).map(json.dumps)
_HOSTS = st.sampled_from(("https://example.org", "http://localhost:3000", "//cdn.example", ""))
_ZONES = st.integers(-14 * 60, 14 * 60).map(lambda ahead: timezone(timedelta(minutes=ahead)))
_TIMES = st.datetimes(
    # Not around now: the same run each time.
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
    """Send lines as they are; what is no text, as JSON."""
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()


@schemathesis.hook
def filter_case(_: schemathesis.HookContext, case: schemathesis.Case) -> bool:
    """Pass over what is wrong for its format alone, but for times.

    To schemathesis, no text is of a format that it does not know: "x" would be no user's id.
    """
    mutations = getattr(case.meta.phase.data, "mutations", ()) if case.meta else ()
    return not any(
        "format" in mutation.keywords and not _is_time(mutation) for mutation in mutations
    )


def _is_time(mutation) -> bool:
    return any(name in mutation.schema_pointer for name in ("imestamp", "as_of"))

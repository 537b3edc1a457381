"""Random messages, valid and invalid."""

import json

from hypothesis import strategies as st

from behavstats.model.timestamps import DAY, HOUR, MINUTE, format_instant, parse_instant

NOW = parse_instant("2026-11-15T12:00:00Z")

_TEXTS = st.sampled_from(
    ["", "/", "/é", "Über uns", "a: b", "x" * 513, "y" * 2049, "z\0", "😀", " "]
)
_NOTHING = st.sampled_from([None, "", [], {}, 7, True])
_HOSTS = st.sampled_from(["https://example.org", "http://localhost:8000", "https://ünï.example"])
_PATHS = st.sampled_from(["", "/", "/a", "/a/é", "/a%20b"])
_BEHIND = st.sampled_from(["", "?q=1", "#part", "?q=/x#y?z"])
urls = st.builds(lambda *parts: "".join(parts), _HOSTS | st.just(""), _PATHS, _BEHIND)

# Around the limits of a wrong clock, and of how far ahead a page view may be.
_OFFS = [0, 1, -1, MINUTE, 5 * MINUTE, 5 * MINUTE + 1, HOUR, DAY, DAY + 1, 60 * DAY]
clocks = st.builds(
    lambda off, sign: format_instant(NOW + sign * off),
    st.sampled_from(_OFFS),
    st.sampled_from([1, -1]),
)
times = clocks | st.sampled_from(
    ["", "now", "1970-01-01T00:00:00Z", "1970-01-01T02:00:00.5+01:00", "1969-12-31T23:59:59Z"]
)


def _objects(**values):
    """Return objects in which each key may be missing."""
    return st.fixed_dictionaries({}, optional=values)


_pages = _objects(title=_TEXTS | _NOTHING, path=_PATHS | _NOTHING, url=urls | _NOTHING)
_empty = st.sampled_from([None, []])
messages = _objects(
    type=st.sampled_from(["page", "page", "page", "screen", "track", "identify", "Page", "", None]),
    userId=st.sampled_from(["u", "u", "v", "", None, "x" * 513, 7, 0, -1, 10**30, True, 4.5, 2.0]),
    anonymousId=st.sampled_from(["anon", "anon", "", None, "\0", 7, False, 1e3]),
    user_id=st.sampled_from(["w", None]),
    name=_TEXTS | st.none(),
    category=_TEXTS | _NOTHING,
    properties=_pages | _empty,
    context=_objects(page=_pages | _empty) | _empty,
    timestamp=times | st.none(),
    originalTimestamp=times | st.none(),
    sentAt=clocks | st.sampled_from([None, "", 7]),
    messageId=st.sampled_from(["m1", "m2", None, 7]),
    event=st.sampled_from(["Signed up", None]),
    traits=st.just({"user_id": 7, "more": [1, {"userId": None}]}),
)
"""Most of these are invalid; those with `user_id` are in our own format, but without a page."""

page_messages = st.builds(
    lambda message, more: message | more,
    messages,
    st.fixed_dictionaries({"type": st.just("page"), "userId": st.sampled_from(["u", "v"])}),
).map(lambda message: {key: value for key, value in message.items() if key != "user_id"})
"""Page views with a user; they are valid if the page and the time are."""

events = st.fixed_dictionaries(
    {"user_id": st.sampled_from(["u", "v", ""]), "name": _TEXTS, "timestamp": times},
    optional={"properties": _pages, "type": st.just("page")},
)
"""Page views in our own format."""

any_message = st.one_of(messages, page_messages, events, st.sampled_from([None, 7, "page", [1]]))


def encoded(message):
    return json.dumps(message, ensure_ascii=False).encode()

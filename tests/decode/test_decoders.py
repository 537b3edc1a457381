"""Any input leads to a value, or to an error that says what is wrong."""

import gzip
import json
import time
from base64 import b64encode

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from behavstats.decode.event import decode_event
from behavstats.decode.segment import Arrival, Other
from behavstats.decode.wire import KINDS
from behavstats.errors import InvalidInput
from behavstats.model.page_view import PageView, check_name, check_user_id
from behavstats.model.timestamps import HOUR, parse_instant
from behavstats.server.auth import credential
from behavstats.server.body import MAX_BODY_BYTES, decompress
from behavstats.server.messages import parse_batch, parse_envelope
from behavstats.server.payload import parse_payload

NOW = parse_instant("2026-11-15T12:00:00Z")
MIB = 1024 * 1024
TIME = "2026-11-15T12:00:00Z"

_KEYS = (
    *("user_id", "name", "timestamp", "type", "userId", "anonymousId", "category", "properties"),
    *("context", "page", "title", "path", "url", "originalTimestamp", "sentAt", "messageId"),
    *("event", "batch", "writeKey"),
)
_TEXTS = st.sampled_from((TIME, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.9-12:00", "")) | (
    st.sampled_from((*KINDS, "u", "\0", "http://[", "http://h", "x" * 600, "é" * 1_100)) | st.text()
)
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | _TEXTS
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(_KEYS) | st.text(max_size=5), inner, max_size=6)
    ),
    max_leaves=12,
)
_OBJECTS = st.dictionaries(st.sampled_from(_KEYS), _VALUES, max_size=8)
_PLAIN = {"type": "page", "userId": "u", "timestamp": TIME}
_DEEP = st.sampled_from((b"[", b'{"x":', b'{"batch":[', b"[[1],")).map(lambda part: part * 5_000)


def _as_json(value):
    return json.dumps(value).encode()  # also NaN, Infinity, and lone surrogates, escaped


def _one_byte_wrong(text, at, byte):
    at %= len(text) + 1
    return text[:at] + bytes([byte]) + text[at + 1 :]


_JSON = _OBJECTS.map(_as_json) | _VALUES.map(_as_json)
_BROKEN = st.builds(_one_byte_wrong, _JSON, st.integers(0, 500), st.integers(0, 255))
BODIES = st.binary() | _JSON | _BROKEN | _DEEP
"""Valid JSON, nearly valid JSON, and other bytes."""

ARRIVALS = st.none() | st.builds(
    Arrival,
    st.just(NOW),
    st.none() | st.integers(-(10**14), 10**14),
    st.none() | st.sampled_from(KINDS),
)


def outcome(function, *arguments):
    """Return the result of a function, or the InvalidInput that it raises."""
    try:
        return function(*arguments)
    except InvalidInput as error:
        return error


@given(BODIES, ARRIVALS)
@example(
    b'{"userId":"u","name":"/","timestamp":"%s","sentAt":"9999-12-31T23:59:59Z"}', Arrival(NOW)
)
@example(b'{"user_id":"\\ud800","name":"/","timestamp":"2026-11-15T12:00:00Z"}', None)
@example(b'{"type":"page","properties":{"url":"http://[::1"},"userId":"u"}', Arrival(NOW))
def test_a_line_is_a_page_view_another_message_or_invalid(body, arrival):
    """A page view keeps all rules, however it arrives."""
    match outcome(decode_event, body, NOW, arrival):
        case InvalidInput() as error:
            assert error.code
            assert str(error).isprintable()
        case Other(kind):
            assert kind in KINDS
        case PageView() as view:
            assert check_user_id(view.user_id) == view.user_id
            assert check_name(view.name) == view.name
            assert 0 <= view.instant <= NOW + 24 * HOUR
        case event:
            pytest.fail(f"unexpected: {event!r}")


@given(st.sampled_from((0, 30)), st.lists(BODIES, max_size=5), ARRIVALS)
def test_each_of_many_messages_is_accepted_or_rejected_by_itself(plain, messages, arrival):
    """No message is lost or counted twice; a rejected message is one line with a reason.

    This also holds if there are so many valid messages that they are decoded together.
    """
    arrival = arrival or Arrival(NOW)
    messages = [_as_json(_PLAIN | {"name": f"/{n}"}) for n in range(plain)] + messages
    payload = parse_payload("POST /v1/batch", messages, arrival)
    accepted = len(payload.views) + payload.non_page_messages.total()
    assert accepted + len(payload.rejections) == len(messages)
    assert (payload.reason is not None) == bool(messages and not accepted)
    for rejection in payload.rejections:
        assert rejection.reason
        assert not {b"\n", b"\r"} & {rejection.text[i : i + 1] for i in range(len(rejection.text))}
    alone = [outcome(decode_event, message, NOW, arrival) for message in messages]
    assert [event for event in alone if isinstance(event, PageView)] == payload.views
    assert [(rejection.line, rejection.reason) for rejection in payload.rejections] == [
        (line, event.code) for line, event in enumerate(alone, 1) if isinstance(event, InvalidInput)
    ]


@given(BODIES)
@example(b'{"batch":[{"user_id":"u"}]')
@example(b'{"batch":[{"user_id":"u"}],"batch":7}')
@example(b'{"batch":[\xff]}')
@example(b'{"batch":[],"sentAt":"\\ud800","writeKey":"\xff"}')
def test_a_body_is_a_batch_or_invalid(body):
    """A batch has all of its messages. The envelope of any body can be opened."""
    envelope = parse_envelope(body)
    assert all(text is None or isinstance(text, str) for text in (envelope.key, envelope.sent))
    batch = outcome(parse_batch, body)
    if isinstance(batch, InvalidInput):
        assert batch.code in {"invalid_batch", "too_deep", "invalid_json", "invalid_utf8"}
    else:
        payload = parse_payload("POST /v1/batch", batch.batch, Arrival(NOW))
        non_page_messages = payload.non_page_messages.total()
        assert len(batch.batch) == len(payload.views) + non_page_messages + len(payload.rejections)


_GZIPPED = st.lists(st.binary(max_size=200), min_size=1, max_size=3).map(
    lambda parts: b"".join(map(gzip.compress, parts))
)


@given(st.binary() | st.binary().map(b"\x1f\x8b".__add__) | _GZIPPED)
@example(b"\x1f\x8b")
@example(gzip.compress(b"x") + b"\0")
@example(gzip.compress(b"x") + b"\x1f\x8b")
def test_a_body_is_decompressed_or_invalid(body):
    """A body that does not begin like gzip stays as it is."""
    text = outcome(decompress, body)
    if isinstance(text, InvalidInput):
        assert body.startswith(b"\x1f\x8b")
        assert text.code == "invalid_gzip"
    else:
        assert text == (gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body)


@given(_GZIPPED, st.integers(0, 10_000), st.integers(0, 255))
def test_damage_to_a_compressed_body_is_an_error(body, at, byte):
    """The checksum finds any change of a byte that changes the content."""
    damaged = _one_byte_wrong(body, at % len(body), byte)
    assume(damaged.startswith(b"\x1f\x8b"))
    text = outcome(decompress, damaged)
    if isinstance(text, InvalidInput):
        assert text.code == "invalid_gzip"
    else:
        assert text == decompress(body)


def test_many_tiny_gzip_members_take_no_longer_than_one():
    """The rest of the body is not copied for each member, which would take a minute."""
    tiny = gzip.compress(b"")
    begin = time.process_time()
    assert decompress(tiny * (MAX_BODY_BYTES // len(tiny))) == b""
    assert time.process_time() - begin < 10


_LATIN_1 = st.text(st.characters(max_codepoint=255))
_BASIC = st.binary().map(b64encode).map(bytes.decode).map("Basic ".__add__)


@given(
    _LATIN_1 | _BASIC | _LATIN_1.map("Basic ".__add__) | _LATIN_1.map("bearer\t".__add__),
    st.none() | _LATIN_1,
    st.none() | st.text(),
)
def test_a_credential_is_a_text_or_missing_whatever_the_request_has(authorization, header, query):
    """A credential is never an empty text."""
    headers = {"authorization": authorization}
    if header is not None:
        headers["x-write-key"] = header
    key = credential(headers, {} if query is None else {"writeKey": query})
    assert key is None or (isinstance(key, str) and key != "")
    if header or query:
        assert key is not None

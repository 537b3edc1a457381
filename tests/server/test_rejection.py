"""What is stored of a rejected message."""

import json

import pytest

from behavstats.decode.segment import Arrival
from behavstats.server.payload import parse_payload
from tests.support.messages import NOW

DEEP = b"[" * 10_000 + b"]" * 10_000


def parsed(text):
    """The payload of a single message."""
    return parse_payload("POST /v1/p", [text], Arrival(NOW))


def test_a_rejected_message_over_several_lines_is_stored_as_one_line():
    """So `ingest` can read it. Text that is not JSON becomes one line, too."""
    pretty = json.dumps({"type": "page", "userId": "", "title": "a\nb"}, indent=2).encode()
    (rejection,) = parsed(pretty).rejections
    assert json.loads(rejection.text) == json.loads(pretty)
    assert b"\n" not in rejection.text
    deep = b'{"x": \r\n' + DEEP + b"}"
    (rejection,) = parsed(deep).rejections
    assert rejection.text == b'{"x":   ' + DEEP + b"}"


def test_the_key_in_a_rejected_message_is_not_stored():
    """Clients for browsers put it into each message; who lists rejected lines must not see it."""
    text = b'{"type": "page", "writeKey": "a-key-that-may-only-send", "userId": 5}'
    (rejection,) = parsed(text).rejections
    assert rejection.text == b'{"type": "page", "writeKey": "...", "userId": 5}'
    assert rejection.length == len(rejection.text)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (
            b'{"name":"test page","userId":"e","type":"e","writeKey":"e"}',
            b'{"name":"test page","userId":"e","type":"e","writeKey":"..."}',
        ),
        (b'{"writeKey" : "a\\u006bey\\"s", "x": 1}', b'{"writeKey" : "...", "x": 1}'),
        (b'{"context":{"writeKey":"secret"}}', b'{"context":{"writeKey":"..."}}'),
        (b'{"write\\u004Bey":"secret"}', b'{"write\\u004Bey":"..."}'),
        (b'{"\\u0077riteKe\\u0079" : "secret"}', b'{"\\u0077riteKe\\u0079" : "..."}'),
        (b'{"x":"http://h/?a=b&writeKey=secret&c=d"}', b'{"x":"http://h/?a=b&writeKey=...&c=d"}'),
        (b'{"writeKey":"secret", no JSON', b'{"writeKey":"...", no JSON'),
        (b'{"writeKey":"never closed\\', b'{"writeKey":"...\\'),
        (b'{"writeKey":"","x":7}', b'{"writeKey":"...","x":7}'),
        (b'{"name":"writeKey","x":"y"}', b'{"name":"writeKey","x":"y"}'),
    ],
)
def test_only_the_keys_of_a_rejected_message_are_hidden(text, kept):
    """Wherever they are, and however short. The rest can be repaired and sent again."""
    (rejection,) = parsed(text).rejections
    assert rejection.text == kept

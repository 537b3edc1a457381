"""Errors in JSON are described in plain words, not in those of the decoder."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from behavstats.decode.event import decode_event
from behavstats.decode.segment import Arrival
from behavstats.errors import InvalidInput
from behavstats.server.messages import parse_batch
from tests.decode.test_decoders import BODIES
from tests.support.messages import NOW

OURS = {"user_id": "u", "name": "/", "timestamp": "2026-11-15T11:00:00Z"}
THEIRS = {"type": "page", "userId": "u", "name": "/", "timestamp": "2026-11-15T11:00:00Z"}


def refusal(text, read=decode_event, *arguments):
    with pytest.raises(InvalidInput) as refused:
        read(text, *arguments)
    return str(refused.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "the text is empty"),
        (b"{", "the JSON is not complete"),
        (b'{"user_id": "u', "the JSON is not complete"),
        (b'{"user_id": "\\ud83d"}', "the JSON is not complete, or holds half of a surrogate pair"),
        (b'{"user_id": "u" "name"}', "this is not JSON: expected ',' or '}' (byte 16)"),
        (b"{'user_id': 1}", "this is not JSON: a key that is not in double quotes (byte 1)"),
        (b"user_id", "this is not JSON: an unexpected character (byte 0)"),
        (b"{}\n{}", "this is not JSON: more text after its end (byte 4)"),
        (b"7", "the JSON is not an object"),
    ],
)
def test_the_error_says_where_a_text_is_not_json(text, words):
    """It gives the position of the byte, counted from 0, if there is one."""
    assert refusal(text, decode_event, NOW) == words


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (OURS | {"user_id": 42}, "user_id must be text, not a number"),
        (OURS | {"user_id": -0.5}, "user_id must be text, not a number"),
        (OURS | {"user_id": None}, "user_id must be text, not null"),
        (OURS | {"name": ["/"]}, "name must be text, not an array"),
        (OURS | {"name": {}}, "name must be text, not an object"),
        (OURS | {"timestamp": True}, "timestamp must be text, not true or false"),
        ({"name": "/"}, "user_id is missing"),
        (THEIRS | {"userId": True}, "userId must be text or a whole number, not true or false"),
        (
            THEIRS | {"userId": 4.5},
            "userId must be text or a whole number, not a number with a point or an exponent",
        ),
        (THEIRS | {"anonymousId": []}, "anonymousId must be text or a whole number, not an array"),
        (THEIRS | {"name": 7}, "name must be text, not a number"),
        (THEIRS | {"timestamp": 1763208000}, "timestamp must be text, not a number"),
        (THEIRS | {"type": 7}, "type must be text, not a number"),
        (THEIRS | {"properties": "x"}, "properties must be an object, not text"),
        (THEIRS | {"context": {"page": 7}}, "context.page must be an object, not a number"),
    ],
)
def test_the_error_names_the_key_the_expected_type_and_the_found_type(message, words):
    """The key is written as in the message."""
    assert refusal(json.dumps(message).encode(), decode_event, NOW) == words


def test_the_error_says_that_a_number_is_out_of_range():
    """A number of thousands of digits is not an id."""
    text = json.dumps(THEIRS).encode().replace(b'"u"', b"9" * 9_999)
    assert refusal(text, decode_event, NOW) == "userId is a number out of range"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"{}", "batch is missing"),
        (b"[]", "the body must be an object, not an array"),
        (b"7", "the body must be an object, not a number"),
        (b'{"batch": 7}', "batch must be an array, not a number"),
        (b'{"batch": null}', "batch must be an array, not null"),
    ],
)
def test_the_error_for_an_invalid_batch_says_what_a_batch_is(text, words):
    """It also says what the body is instead."""
    hint = "; a batch is an object with an array of messages as its batch"
    assert refusal(text, parse_batch) == words + hint


@given(BODIES, st.sampled_from((None, "page", "track")))
def test_no_error_shows_the_words_of_the_decoder(text, kind):
    """This holds for any input on any route."""
    said = []
    for read, *arguments in ((decode_event, NOW, Arrival(NOW, kind=kind)), (parse_batch,)):
        try:
            read(text, *arguments)
        except InvalidInput as error:
            said.append(str(error))
    assert not any(sign in words for words in said for sign in ("`", "Expected", "malformed"))

"""Bodies of requests: decompressed, split into messages, and each message taken for itself."""

import gzip
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from behavstats.decode.json_splitter import split_batch
from behavstats.decode.segment import Arrival, clock_behind
from behavstats.errors import InvalidInput, TooLarge
from behavstats.model.page_view import PageView
from behavstats.model.timestamps import format_instant
from behavstats.server.body import MAX_BODY_BYTES, MAX_DECOMPRESSED_BYTES, body_text, decompress
from behavstats.server.messages import MAX_MESSAGES, parse_batch, parse_envelope, parse_lines
from behavstats.server.payload import parse_payload
from tests.support.edge import MIB
from tests.support.memory import peak_of
from tests.support.messages import NOW, any_message

GOOD = {"type": "page", "userId": "u", "name": "/", "timestamp": format_instant(NOW)}
OURS = {"user_id": "u", "name": "/", "timestamp": format_instant(NOW)}
VIEW = PageView("u", NOW, "/")
DEEP = b"[" * 10_000 + b"]" * 10_000


def batch(*messages, **more):
    """A batch as text; messages that are bytes stand in it as they are."""
    texts = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in messages]
    around = b"".join(b', "%s": %s' % (key.encode(), value) for key, value in more.items())
    return b'{"batch": [' + b" , ".join(texts) + b"]" + around + b"}"


def taken(text):
    opened = parse_batch(text)
    return parse_payload(
        "POST /v1/batch", opened.batch, Arrival(NOW, clock_behind(NOW, opened.sent))
    )


def test_both_formats_may_stand_in_one_batch_beside_what_is_not_stored():
    """Each message tells for itself what it is."""
    result = taken(batch(GOOD, OURS, {"type": "track", "messageId": "m"}, {"type": "alias"}))
    assert (result.views, result.rejections, result.reason) == ([VIEW, VIEW], [], None)
    assert result.non_page_messages == {"track": 1, "alias": 1}


BAD = {
    "not an object": b"7",
    "null": b"null",
    "empty": b"{}",
    "of nobody": json.dumps(GOOD | {"userId": None}).encode(),
    "of no time that there is": json.dumps(GOOD | {"timestamp": "now"}).encode(),
    "of another type": json.dumps(GOOD | {"type": "visit"}).encode(),
    "of the wrong kind": json.dumps(GOOD | {"userId": True}).encode(),
    "nested too deep": json.dumps(GOOD)[:-1].encode() + b', "traits": ' + DEEP + b"}",
    "nothing but brackets": DEEP,
    "not UTF-8": json.dumps(GOOD | {"x": "U"}).encode().replace(b"U", b"\xff"),
    "digits": b"1" * (2 * MIB),
    "a long number": json.dumps(GOOD)[:-1].encode() + b', "sentAt": ' + b"1" * 9_999 + b"}",
    "over a mebibyte": json.dumps(GOOD | {"name": "x" * MIB}).encode(),
    "of very many values": json.dumps(GOOD | {"x": [0] * MIB}).encode(),
    "broken off": json.dumps(GOOD)[:-1].encode() + b', "x": }',
    "nothing": b"",
    "half a surrogate": json.dumps(GOOD | {"name": "N"}).encode().replace(b"N", b"\\ud800"),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_one_invalid_message_rejects_no_other_of_its_batch(bad):
    """It is kept with its line number and reason; the messages around it are page views."""
    result = taken(batch(GOOD, bad, OURS, sentAt=b'"2026-11-15T12:00:00Z"'))
    assert (result.views, result.reason) == ([VIEW, VIEW], None)
    (rejection,) = result.rejections
    assert (rejection.source, rejection.line, rejection.length) == ("POST /v1/batch", 2, len(bad))
    assert rejection.text == (bad if len(bad) <= MIB else bad[:4096])
    assert rejection.reason
    assert rejection.message


def test_a_batch_without_a_valid_message_is_the_error_of_its_first_message():
    """A track is valid, although it is not stored."""
    result = taken(batch(BAD["of another type"], BAD["null"]))
    assert (result.reason.code, len(result.rejections)) == ("invalid_type", 2)
    assert taken(batch(BAD["null"], {"type": "track"})).reason is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"", "invalid_json"),
        (b"{", "invalid_json"),
        (b'{"batch": [1, 2}', "invalid_json"),
        (b'{"batch": [1, 2]', "invalid_json"),
        (b'{"batch": [1, 2]}}', "invalid_json"),
        (b"[]", "invalid_batch"),
        (b"7", "invalid_batch"),
        (b"{}", "invalid_batch"),
        (b'{"batch": null}', "invalid_batch"),
        (b'{"batch": {}}', "invalid_batch"),
        (DEEP, "invalid_batch"),
        (b'{"x": ' + DEEP + b"}", "too_deep"),
        (b'{"x": ' + DEEP + b', "batch": [7]}', "too_deep"),
        (b'{"batch": {"a": ' + DEEP + b"}}", "invalid_batch"),
        (b'{"batch": ' + DEEP[:-1] + b"}", "invalid_json"),
        (b'{"batch": [' + DEEP, "invalid_json"),
        (b'{"batch": ["' + DEEP, "invalid_json"),
        (b'x {"batch": [' + DEEP + b"]}", "invalid_json"),
        (b'{"batch": [7], x}', "invalid_json"),
        (b'{"batch": [7], "x": }', "invalid_json"),
        (b'{"batch": [7],}', "invalid_json"),
        (b'{"batch": [7]} {"batch": [7]}', "invalid_json"),
        (b'{"batch": [' + b"1" * 4 * MIB, "invalid_json"),
    ],
)
def test_a_body_that_is_not_a_batch_is_refused(text, code):
    """Whatever the JSON decoder finds first."""
    with pytest.raises(InvalidInput) as refused:
        parse_batch(text)
    assert refused.value.code == code


def test_2500_messages_are_a_batch_and_one_more_is_too_many():
    """Also where they are not counted by the decoder."""
    for more in ((), (DEEP,)):
        fitting = MAX_MESSAGES - len(more)
        assert len(parse_batch(batch(*[GOOD] * fitting, *more)).batch) == 2500
        with pytest.raises(TooLarge, match="2,500 messages"):
            parse_batch(batch(GOOD, *[GOOD] * fitting, *more))


def test_what_surrounds_the_messages_is_found_also_beside_one_that_is_too_deep():
    """The key and when it was sent; what is no text, or far too long, is as if it was not there."""
    for message in (b"{}", DEEP):
        opened = parse_batch(batch(message, sentAt=b'"then"', writeKey=b'"a\\u002db"'))
        assert (opened.sent, opened.key) == ("then", "a-b")
        for odd in (b"7", b"null", b'["x"]', b'"' + b"x" * 20_000 + b'"', b"1" * 5000, b"{}"):
            opened = parse_batch(batch(message, sentAt=odd))
            assert (opened.sent, len(opened.batch)) == (None, 1)
    assert parse_envelope(b'{"writeKey": "key", "type": "page"}').key == "key"
    for odd in (b"", b"7", b'{"writeKey": 7}', b'{"writeKey": ' + DEEP + b"}"):
        assert parse_envelope(odd).key is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text('[]{},":\\ é\n', max_size=6),
    lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text('a[",', max_size=3), some),
    max_leaves=8,
)


@settings(max_examples=60)
@given(
    st.lists(json_values, max_size=5),
    st.dictionaries(st.sampled_from(["a", "sentAt", "a,[", '"', "\\"]), json_values),
    st.booleans(),
    st.sampled_from([None, 1]),
    st.integers(1, 70_000),
)
def test_a_batch_is_split_as_the_decoder_splits_it(messages, more, is_first, indent, at_once):
    """Whatever the strings in it look like, and wherever it is cut for being looked at."""
    around = {"batch": messages} | more if is_first else more | {"batch": messages}
    text = json.dumps(around, indent=indent, ensure_ascii=False).encode()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("behavstats.decode.json_splitter._AT_ONCE", at_once % len(text) + 1)
        split = split_batch(text, MAX_MESSAGES)
    assert [json.loads(message) for message in split.messages] == messages
    assert json.loads(split.around) == around | {"batch": []}
    assert split.messages == [bytes(message) for message in parse_batch(text).batch]


@given(st.binary(max_size=40) | st.text('{}[],:"batch\\1 ', max_size=40).map(str.encode))
def test_any_text_is_split_or_refused(text):
    """No other error is raised, and there are never more messages than the limit."""
    for whole in (text, b'{"batch":[' + text + b"]}"):
        try:
            split = split_batch(whole, 3)
        except InvalidInput:
            continue
        assert len(split.messages) <= 3


BODY = MAX_DECOMPRESSED_BYTES


@pytest.mark.parametrize(
    "text",
    [
        b'{"batch":[' + b"0," * (BODY // 2 - 20) + b"0]}",
        b'{"sentAt":[' + b"[]," * (BODY // 3 - 20) + b'0],"batch":{}}',
        b'{"writeKey":"","batch":{},"sentAt":' + b"[" * (BODY - 50),
        b"{" + b'"a":0,' * (BODY // 6 - 20) + b'"batch":7}',
        b'{"b\\u0061tch":[' + b"0," * (BODY // 2 - 20) + b"0]}",
        b'{"batch":[' + b"0," * (BODY // 2 - 20) + b'0],"batch":[]}',
        b'{"batch":[' + b"[" * (BODY - 20),
    ],
    ids=[
        "messages",
        "lists beside them",
        "brackets beside them",
        "keys",
        "escaped",
        "two batches",
        "brackets",
    ],
)
def test_a_body_of_millions_of_tiny_things_takes_no_more_memory_than_itself(text):
    """Each of them as an object would take thirty times as much.

    A fifteenth of what is allowed is what it takes.
    """
    assert peak_of(parse_batch, text) < 2.5 * MIB + 2 * len(text)


def test_a_payload_has_the_size_that_it_roughly_takes_while_it_waits():
    """At least that of its texts."""
    assert taken(batch(*[GOOD] * 10)).size > 10 * len(json.dumps(GOOD))
    assert MAX_BODY_BYTES == 4 * MIB


@given(st.lists(json_values | any_message, max_size=4), st.binary(max_size=9), st.integers(0, 99))
def test_any_body_is_parsed_or_refused(messages, junk, place):
    """Only InvalidInput is raised, even if some bytes were changed on the way."""
    text = json.dumps({"batch": messages, "sentAt": "2026-11-15T12:00:00Z"}).encode()
    place %= len(text)
    damaged = text[:place] + junk + text[place + len(junk) :]
    for sent in (text, damaged, gzip.compress(damaged, 1), gzip.compress(text, 1)[:-1] + junk):
        try:
            result = taken(decompress(sent))
        except InvalidInput as refused:
            assert refused.code  # noqa: PT017
            continue
        assert len(result.views) + result.non_page_messages.total() + len(result.rejections) <= 99
        parse_payload("POST /v1/page", [sent], Arrival(NOW))
        parse_envelope(sent)


def lines_of(*texts):
    return b"\n".join(one if isinstance(one, bytes) else json.dumps(one).encode() for one in texts)


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b""])
def test_a_byte_order_mark_at_the_beginning_of_a_body_is_skipped(mark):
    """Editors write it; also into what is compressed then."""
    assert body_text(mark + b"{}") == body_text(gzip.compress(mark + b"{}")) == b"{}"
    assert body_text(mark + mark + b"{}") == mark + b"{}"


def test_lines_are_recognised_by_a_message_among_the_first_two():
    """In either format; blank ones are no lines, and a line may end as on Windows."""
    for text in (lines_of(OURS), lines_of(GOOD, OURS), lines_of(b"broken", b"", OURS, b"{")):
        assert parse_lines(text) is not None
    opened = parse_lines(b"\r\n \n" + lines_of(OURS, b"\r", GOOD) + b"\r\n\r\n")
    assert [json.loads(message) for message in opened.messages] == [OURS, GOOD]
    assert opened.numbers == [3, 5]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"7",
        b"[]",
        batch(OURS),
        batch(OURS)[:-1],
        json.dumps({"batch": [OURS]}, indent=1).encode(),
        json.dumps({"batch": [OURS]}, indent=1).encode()[:-1],
        json.dumps(OURS, indent=1).encode(),
        lines_of(b"{", b"{", OURS),
        b'{"messages": []}',
        DEEP,
    ],
)
def test_one_json_value_or_no_message_is_not_taken_for_lines(text):
    """Unless the content type declares lines: then each line is stored or rejected by itself."""
    assert parse_lines(text) is None
    assert parse_lines(text, is_declared=True) is not None


def test_2500_lines_are_accepted_and_one_more_is_an_error_with_advice():
    """Blank ones do not count, however many there are."""
    fitting = b"\n\n\n".join([json.dumps(OURS).encode()] * MAX_MESSAGES)
    assert len(parse_lines(fitting + b"\n" * MIB).messages) == 2500
    with pytest.raises(TooLarge, match=r"2,500 lines: .*split -l 2500.*behavstats ingest"):
        parse_lines(fitting + b"\n{}")


def test_a_body_of_millions_of_lines_takes_no_more_memory_than_itself():
    """Nor do millions of values in its first line."""
    for text in (b"{}\n" * 5 * MIB, b'{"type":"page"' + b',"a":0' * (2 * MIB) + b"}\n{}"):
        assert peak_of(
            lambda text=text: parse_lines(text, is_declared=True) and no_error()
        ) < 2 * MIB + len(text)


def no_error():
    """For what is measured by its error."""
    raise InvalidInput("none", "none")

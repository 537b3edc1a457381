"""Segment messages: the user, the page, the time, and messages of other kinds."""

import json
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from behavstats.decode.event import decode_event
from behavstats.decode.lines import decode_lines
from behavstats.decode.segment import Arrival, Other, clock_behind
from behavstats.decode.vectorized import decode_block
from behavstats.errors import InvalidInput
from behavstats.model.line_block import Block
from behavstats.model.page_view import PageView
from behavstats.model.timestamps import HOUR, MINUTE, SECOND, format_instant
from behavstats.server.payload import parse_payload
from tests.support.histories import listed, triples
from tests.support.messages import NOW, any_message, clocks, encoded
from tests.support.wire_oracle import outcome

AGO = NOW - HOUR
PAGE = {"type": "page", "userId": "u", "name": "Home", "timestamp": format_instant(AGO)}


def decoded(message, arrival=None):
    return decode_event(json.dumps(message).encode(), NOW, arrival)


def without(message, *keys):
    return {key: value for key, value in message.items() if key not in keys}


@pytest.mark.parametrize(
    ("ids", "user"),
    [
        ({"userId": "u", "anonymousId": "a"}, "u"),
        ({"userId": "u", "anonymousId": None}, "u"),
        ({"userId": "", "anonymousId": "a"}, "a"),
        ({"userId": None, "anonymousId": "a"}, "a"),
        ({"anonymousId": "a"}, "a"),
        ({"userId": " "}, " "),
    ],
)
def test_the_user_is_the_user_id_or_else_the_anonymous_id(ids, user):
    """Either may be null or empty; RudderStack's browser client sends empty ids."""
    assert decoded(without(PAGE, "userId") | ids) == PageView(user, AGO, "Home")


@pytest.mark.parametrize(
    "ids", [{}, {"userId": ""}, {"userId": None, "anonymousId": ""}, {"user": "u"}]
)
def test_a_page_view_without_a_user_is_rejected(ids):
    """The error names the missing key."""
    with pytest.raises(InvalidInput) as refused:
        decoded(without(PAGE, "userId") | {"messageId": "m"} | ids)
    assert (refused.value.code, refused.value.field) == ("missing_key", "userId")


@pytest.mark.parametrize("key", ["userId", "anonymousId"])
@pytest.mark.parametrize(
    ("written", "user"),
    [
        (b"42", "42"),
        (b"0", "0"),
        (b"-7", "-7"),
        (b"-0", "0"),
        (b"123456789012345678901234567890", "123456789012345678901234567890"),
        (b"9" * 512, "9" * 512),
    ],
)
def test_a_whole_number_counts_as_an_id_of_its_digits(key, written, user):
    """Clients of 2016 send such ids. This holds for a single message, a batch and a file."""
    text = json.dumps(without(PAGE, "userId") | {key: "N"}).encode().replace(b'"N"', written)
    view = PageView(user, AGO, "Home")
    assert decode_event(text, NOW) == view
    assert listed(decode_block(Block("f", 1, 0, text, len(text)), NOW).views) == [view]
    assert parse_payload("POST /v1/batch", [text] * 30, Arrival(NOW)).views == [view] * 30


@pytest.mark.parametrize("written", [b"42.0", b"1e3", b"4.2", b"true", b"9" * 513, b"9" * 5_000])
def test_a_number_that_is_not_whole_or_is_too_long_is_not_an_id(written):
    """It could be written in several ways; a guess could join two users, or split one."""
    text = json.dumps(PAGE | {"userId": "N"}).encode().replace(b'"N"', written)
    with pytest.raises(InvalidInput) as refused:
        decode_event(text, NOW)
    assert refused.value.code in {"wrong_type", "invalid_user_id"}
    assert len(parse_payload("POST /v1/batch", [text] * 30, Arrival(NOW)).rejections) == 30


def test_in_our_own_format_an_id_must_be_text():
    """Numbers are only accepted in Segment messages."""
    with pytest.raises(InvalidInput, match="user_id must be text, not a number"):
        decoded({"user_id": 42, "name": "/", "timestamp": format_instant(AGO)})


URL = "https://example.org/of-url?q=1#part"
EVERYWHERE = {
    "name": "Name",
    "properties": {"title": "Title", "path": "/of-path", "url": URL},
    "context": {
        "page": {"title": "Title around", "path": "/around", "url": "https://example.org/around"}
    },
}


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "Name"),
        ({"category": "Docs"}, "Docs: Name"),
        ({"category": ""}, "Name"),
        ({"category": None}, "Name"),
        ({"category": 7}, "Name"),
        ({"category": "Docs", "name": None}, "Title"),
        ({"name": ""}, "Title"),
        ({"name": None}, "Title"),
        ({"name": None, "properties": []}, "Title around"),
        ({"name": None, "properties": None}, "Title around"),
        ({"name": "", "properties": {"title": "", "path": "/p"}}, "Title around"),
        ({"name": "", "properties": {"title": 7, "path": "/p"}}, "Title around"),
        ({"name": "", "properties": {"path": "/p", "url": URL}, "context": []}, "/p"),
        ({"name": "", "properties": {"path": "", "url": URL}, "context": None}, "/of-url"),
        ({"name": "", "properties": {"url": URL}, "context": {"page": []}}, "/of-url"),
        ({"name": "", "properties": {"url": "https://example.org"}, "context": {}}, "/"),
        ({"name": "", "properties": {"url": "/a?b"}, "context": {}}, "/a"),
        ({"name": "", "properties": [], "context": {"page": {"url": URL}}}, "/of-url"),
        ({"name": "", "properties": {"url": "?"}, "context": {"page": {"url": URL}}}, "/of-url"),
        (
            {"name": "", "properties": {"url": "http://[x"}, "context": {"page": {"url": URL}}},
            "/of-url",
        ),
    ],
)
def test_the_page_is_the_first_of_name_title_path_and_url(changes, name):
    """The category stands before the name; `properties: []` is an empty object of PHP."""
    assert decoded(PAGE | EVERYWHERE | changes) == PageView("u", AGO, name)


def test_a_page_view_without_a_page_is_rejected():
    """The path in the context does not count, since the contract does not name it."""
    for more in ({}, {"properties": []}, {"context": {"page": {"path": "/around"}}}):
        with pytest.raises(InvalidInput) as refused:
            decoded(without(PAGE, "name") | more)
        assert (refused.value.code, refused.value.field) == ("missing_key", "name")


@pytest.mark.parametrize(
    ("times", "instant"),
    [
        ({"timestamp": "2026-11-15T10:00:00.123456+00:00"}, NOW - 2 * HOUR + 123),
        ({"timestamp": format_instant(AGO), "originalTimestamp": format_instant(NOW)}, AGO),
        ({"timestamp": None, "originalTimestamp": format_instant(AGO)}, AGO),
        ({"timestamp": "", "originalTimestamp": format_instant(AGO)}, AGO),
        ({"originalTimestamp": format_instant(AGO)}, AGO),
    ],
)
def test_the_time_is_the_timestamp_or_else_the_original_timestamp(times, instant):
    """Digits finer than a millisecond are cut off."""
    message = without(PAGE, "timestamp") | times
    assert decoded(message).instant == instant
    assert decoded(message, Arrival(NOW)).instant == instant


def test_without_any_time_the_time_of_arrival_counts():
    """Lines of a file have no time of arrival, so such a message is rejected there."""
    for none in ({}, {"timestamp": None, "originalTimestamp": ""}):
        message = without(PAGE, "timestamp") | none
        assert decoded(message, Arrival(NOW - 7)).instant == NOW - 7
        with pytest.raises(InvalidInput) as refused:
            decoded(message)
        assert (refused.value.code, refused.value.field) == ("missing_key", "timestamp")


@pytest.mark.parametrize("kind", ["track", "identify", "group", "alias"])
def test_messages_of_other_kinds_need_no_page_user_or_time(kind):
    """Libraries may leave these out; such messages are only counted."""
    assert decoded({"type": kind, "messageId": "m"}) == Other(kind)


def test_a_screen_is_a_page_view():
    """Mobile clients send screens."""
    assert decoded(PAGE | {"type": "screen"}) == PageView("u", AGO, "Home")


@pytest.mark.parametrize("kind", ["Page", "delete", "pages"])
def test_an_unknown_type_is_rejected(kind):
    """The error names the key."""
    with pytest.raises(InvalidInput) as refused:
        decoded(PAGE | {"type": kind})
    assert (refused.value.code, refused.value.field) == ("invalid_type", "type")


def test_without_a_type_the_route_or_the_event_tells_the_kind():
    """`POST /v1/t` accepts tracks; in an export of tracks, each message has an event."""
    bare = without(PAGE, "type")
    assert decoded(bare) == PageView("u", AGO, "Home")
    assert decoded(bare | {"event": "Signed up"}) == Other("track")
    assert decoded(bare, Arrival(NOW, kind="identify")) == Other("identify")


@pytest.mark.parametrize("message", [{}, {"event": "x"}, {"userId": 7}, PAGE, {"user_id": "u"}])
def test_on_the_route_of_another_kind_every_message_is_of_that_kind(message):
    """Its content does not matter, since nothing of it is stored."""
    assert decoded(message, Arrival(NOW, kind="track")) == Other("track")


@pytest.mark.parametrize("odd", [7, [], {}, True])
def test_only_the_kind_of_another_message_has_to_be_valid(odd):
    """Other values may be of any type."""
    assert decoded({"type": "track", "userId": odd, "timestamp": odd}) == Other("track")
    assert decoded({"userId": odd, "event": "Signed up"}) == Other("track")
    with pytest.raises(InvalidInput) as refused:
        decoded({"type": odd, "userId": "u"})
    assert (refused.value.code, refused.value.field) == ("wrong_type", "type")


OURS = {"user_id": "ours", "name": "/", "timestamp": format_instant(AGO)}


@pytest.mark.parametrize(
    "message",
    [
        OURS,
        OURS | {"userId": "theirs", "anonymousId": "theirs", "type": "track", "messageId": "m"},
        OURS | {"properties": {"title": "Title"}, "category": "Docs"},
    ],
)
def test_user_id_marks_our_own_format_whatever_other_keys_there_are(message):
    """The keys of a Segment message are ignored then."""
    assert decoded(message, Arrival(NOW, clock_behind(NOW, format_instant(AGO)))) == PageView(
        "ours", AGO, "/"
    )


@pytest.mark.parametrize(
    "more", [{"properties": {"user_id": "x"}}, {"name": '"user_id"'}, {"traits": {"user_id": 7}}]
)
def test_a_user_id_deeper_in_a_segment_message_does_not_mark_our_own_format(more):
    """Only a key of the outermost object does."""
    assert decoded(PAGE | more).user_id == "u"


def test_a_key_with_escapes_marks_our_own_format():
    """This holds for a single message and for a block of lines."""
    text = json.dumps(OURS | {"type": "page"}).replace("user_id", "user\\u005fid").encode()
    (in_file,) = listed(decode_block(Block("f", 1, 0, text, len(text)), NOW).views)
    assert decode_event(text, NOW) == in_file == PageView("ours", AGO, "/")


def test_optional_keys_may_be_null():
    """The Python client sends explicit nulls."""
    nulls = dict.fromkeys(
        ("anonymousId", "category", "properties", "context", "originalTimestamp", "sentAt", "event")
    )
    assert decoded(PAGE | nulls | {"messageId": None, "integrations": None}).name == "Home"


def test_a_wrong_clock_is_corrected_by_the_later_sent_at_of_message_and_batch():
    """A difference of up to five minutes is not corrected; a larger one is, in full."""
    behind = format_instant(NOW - 2 * HOUR)
    page = PAGE | {"timestamp": format_instant(NOW - 3 * HOUR)}
    in_time = format_instant(NOW - 5 * MINUTE)
    for message, sent_at, instant in (
        (page, None, NOW - 3 * HOUR),
        (page, in_time, NOW - 3 * HOUR),
        (page, behind, NOW - HOUR),
        (page | {"sentAt": behind}, in_time, NOW - 3 * HOUR),
        (page | {"sentAt": behind}, None, NOW - HOUR),
        (page | {"sentAt": in_time}, behind, NOW - 3 * HOUR),
        (page | {"sentAt": None}, behind, NOW - HOUR),
        (page | {"sentAt": "yesterday"}, None, NOW - 3 * HOUR),
        (page | {"sentAt": 7}, None, NOW - 3 * HOUR),
        (page, format_instant(NOW - 5 * MINUTE - 1), NOW - 3 * HOUR + 5 * MINUTE + 1),
        (page, format_instant(NOW + HOUR), NOW - 4 * HOUR),
    ):
        assert decoded(message, Arrival(NOW, clock_behind(NOW, sent_at))).instant == instant


def test_the_arrival_key_depends_on_the_id_the_claimed_time_and_the_page_of_a_message():
    """A message sent again has the same key; the id alone is not enough, as ids may repeat."""
    sent_at = format_instant(NOW - HOUR)

    def key_of(message, now):
        return decode_event(
            json.dumps(message).encode(), NOW, Arrival(now, clock_behind(now, sent_at))
        ).arrival_key

    named = PAGE | {"messageId": "m"}
    messages = (
        PAGE,
        PAGE | {"name": "Else"},
        named,
        named | {"messageId": 2**70},
        named | {"name": "Else"},
        without(named, "timestamp"),
    )
    keys = [key_of(message, NOW) for message in messages]
    assert keys == [key_of(message, NOW + HOUR) for message in messages]
    assert len(set(keys)) == len(messages)
    assert key_of(without(PAGE, "timestamp"), NOW) == b""
    assert decoded(named, Arrival(NOW, clock_behind(NOW, format_instant(NOW)))).arrival_key == b""


def test_a_clock_that_is_years_ahead_is_corrected_before_the_time_is_checked():
    """A correction that leads to an impossible time is not made."""
    ahead = PAGE | {"timestamp": "2036-01-01T00:00:00Z", "sentAt": "2036-01-01T00:00:10Z"}
    assert decoded(ahead, Arrival(NOW)).instant == NOW - 10 * SECOND
    early = PAGE | {"timestamp": "1970-01-01T00:00:00Z", "sentAt": "2036-01-01T00:00:00Z"}
    assert decoded(early, Arrival(NOW)).instant == 0
    late = PAGE | {"sentAt": "1970-01-01T00:00:00Z"}
    assert decoded(late, Arrival(NOW)).instant == AGO


def seen(text, arrival):
    """Return the outcome of a message in the form of the oracle."""
    try:
        event = decode_event(text, NOW, arrival)
    except InvalidInput:
        return None
    return event.kind if isinstance(event, Other) else (event.user_id, event.instant, event.name)


@given(any_message, st.sampled_from([None, "page", "track"]), clocks | st.none())
@example(PAGE, None, None)
def test_a_message_is_decoded_as_by_the_oracle(message, kind, sent_at):
    """This holds for a request on any route, and for a line of a file."""
    text = encoded(message)
    arrival = Arrival(NOW, clock_behind(NOW, sent_at), kind)
    assert seen(text, arrival) == outcome(message, NOW, NOW, sent_at, kind)
    assert seen(text, None) == outcome(message, NOW)


@given(st.lists(any_message, min_size=1, max_size=8))
def test_lines_of_a_file_and_messages_of_a_batch_are_decoded_the_same(messages):
    """Messages whose time depends on their arrival are the exception."""
    same = [one for one in messages if outcome(one, NOW) == outcome(one, NOW, NOW)]
    texts = [encoded(message) for message in same]
    text = b"\n".join(texts)
    block = Block("f", 1, 0, text, len(text))
    lines, columns = decode_lines(block, NOW), decode_block(block, NOW)
    batch = parse_payload("POST /v1/batch", texts, Arrival(NOW))
    assert batch.views == lines.views
    assert Counter(triples(listed(columns.views))) == Counter(triples(lines.views))
    assert batch.non_page_messages == columns.non_page_messages == lines.non_page_messages
    assert columns.rejections == lines.rejections
    rejected = [(bad.line, bad.text) for bad in lines.rejections]
    assert [(bad.line, bad.text) for bad in batch.rejections] == rejected


@given(st.lists(any_message, min_size=1, max_size=8), st.sampled_from([0, HOUR]))
def test_messages_of_a_batch_are_decoded_the_same_together_and_one_by_one(messages, behind):
    """This holds for page views, their order, other messages and rejections."""
    texts, arrival = [encoded(message) for message in messages], Arrival(NOW, behind)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("behavstats.server.payload._FEWEST_FOR_FAST_PATH", 1)
        together = parse_payload("POST /v1/batch", texts, arrival)
    alone = parse_payload("POST /v1/batch", texts, arrival)
    assert together[:3] == alone[:3]
    assert together.reason == alone.reason

"""Segment messages: which user, which page, when, and what is no page view."""

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
def test_the_user_is_the_user_id_else_the_anonymous_id(ids, user):
    """Either may be null, or empty, as RudderStack's browser client sends it."""
    assert decoded(without(PAGE, "userId") | ids) == PageView(user, AGO, "Home")


@pytest.mark.parametrize(
    "ids", [{}, {"userId": ""}, {"userId": None, "anonymousId": ""}, {"user": "u"}]
)
def test_a_page_view_of_nobody_is_rejected(ids):
    """It names what is missing."""
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
def test_a_whole_number_is_an_id_by_its_digits(key, written, user):
    """As clients of 2016 send it; alone, in a batch, and in a file."""
    text = json.dumps(without(PAGE, "userId") | {key: "N"}).encode().replace(b'"N"', written)
    view = PageView(user, AGO, "Home")
    assert decode_event(text, NOW) == view
    assert listed(decode_block(Block("f", 1, 0, text, len(text)), NOW).views) == [view]
    assert parse_payload("POST /v1/batch", [text] * 30, Arrival(NOW)).views == [view] * 30


@pytest.mark.parametrize("written", [b"42.0", b"1e3", b"4.2", b"true", b"9" * 513, b"9" * 5_000])
def test_a_number_that_is_not_whole_or_too_long_is_no_id(written):
    """How would it be written? A guess could join two users, or part one."""
    text = json.dumps(PAGE | {"userId": "N"}).encode().replace(b'"N"', written)
    with pytest.raises(InvalidInput) as refused:
        decode_event(text, NOW)
    assert refused.value.code in {"wrong_type", "invalid_user_id"}
    assert len(parse_payload("POST /v1/batch", [text] * 30, Arrival(NOW)).rejections) == 30


def test_in_our_own_format_an_id_is_text():
    """It has a contract of its own."""
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
def test_the_page_is_told_by_the_first_that_is_there(changes, name):
    """Name (after its category), title, path, url; `properties: []` is how PHP writes none."""
    assert decoded(PAGE | EVERYWHERE | changes) == PageView("u", AGO, name)


def test_a_page_that_nothing_tells_is_rejected():
    """Where only the path around is told, too: the contract does not name it."""
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
def test_the_time_is_the_timestamp_else_the_original_one(times, instant):
    """Finer digits are cut off, whatever the client's library."""
    message = without(PAGE, "timestamp") | times
    assert decoded(message).instant == instant
    assert decoded(message, Arrival(NOW)).instant == instant


def test_without_any_time_it_is_the_time_of_arrival():
    """Of a file there is none: there, the message is rejected."""
    for none in ({}, {"timestamp": None, "originalTimestamp": ""}):
        message = without(PAGE, "timestamp") | none
        assert decoded(message, Arrival(NOW - 7)).instant == NOW - 7
        with pytest.raises(InvalidInput) as refused:
            decoded(message)
        assert (refused.value.code, refused.value.field) == ("missing_key", "timestamp")


@pytest.mark.parametrize("kind", ["track", "identify", "group", "alias"])
def test_other_kinds_are_counted_and_need_neither_page_nor_user_nor_time(kind):
    """A library may send them without."""
    assert decoded({"type": kind, "messageId": "m"}) == Other(kind)


def test_a_screen_is_a_page_view():
    """As mobile clients call theirs."""
    assert decoded(PAGE | {"type": "screen"}) == PageView("u", AGO, "Home")


@pytest.mark.parametrize("kind", ["Page", "delete", "pages"])
def test_an_unknown_type_is_rejected(kind):
    """It names the type."""
    with pytest.raises(InvalidInput) as refused:
        decoded(PAGE | {"type": kind})
    assert (refused.value.code, refused.value.field) == ("invalid_type", "type")


def test_the_route_or_the_event_tells_the_kind_where_the_message_does_not():
    """`POST /v1/t` is a track; in an export of tracks, each has an event."""
    bare = without(PAGE, "type")
    assert decoded(bare) == PageView("u", AGO, "Home")
    assert decoded(bare | {"event": "Signed up"}) == Other("track")
    assert decoded(bare, Arrival(NOW, kind="identify")) == Other("identify")


@pytest.mark.parametrize("message", [{}, {"event": "x"}, {"userId": 7}, PAGE, {"user_id": "u"}])
def test_what_comes_by_the_route_of_another_kind_is_counted_as_that(message):
    """Whatever it holds: nothing of it is stored, so nothing of it can be wrong."""
    assert decoded(message, Arrival(NOW, kind="track")) == Other("track")


@pytest.mark.parametrize("odd", [7, [], {}, True])
def test_of_another_kind_nothing_but_the_kind_has_to_be_right(odd):
    """In a batch, or in a file."""
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
def test_user_id_marks_our_own_format_whatever_else_is_there(message):
    """Nothing of a Segment message counts then."""
    assert decoded(message, Arrival(NOW, clock_behind(NOW, format_instant(AGO)))) == PageView(
        "ours", AGO, "/"
    )


@pytest.mark.parametrize(
    "more", [{"properties": {"user_id": "x"}}, {"name": '"user_id"'}, {"traits": {"user_id": 7}}]
)
def test_a_user_id_within_a_segment_message_marks_nothing(more):
    """Only one at its top does."""
    assert decoded(PAGE | more).user_id == "u"


def test_our_own_format_with_an_escaped_key_is_ours_in_a_request_as_in_a_file():
    """JSON may write a key in more than one way."""
    text = json.dumps(OURS | {"type": "page"}).replace("user_id", "user\\u005fid").encode()
    (in_file,) = listed(decode_block(Block("f", 1, 0, text, len(text)), NOW).views)
    assert decode_event(text, NOW) == in_file == PageView("ours", AGO, "/")


def test_all_that_may_be_null_may_be_null():
    """The client for Python sends explicit nulls."""
    nulls = dict.fromkeys(
        ("anonymousId", "category", "properties", "context", "originalTimestamp", "sentAt", "event")
    )
    assert decoded(PAGE | nulls | {"messageId": None, "integrations": None}).name == "Home"


def test_a_clock_is_corrected_by_the_later_of_the_message_s_sent_at_and_the_batch_s():
    """Only if it is more than five minutes off, and then by all of it."""
    behind = format_instant(NOW - 2 * HOUR)
    told = PAGE | {"timestamp": format_instant(NOW - 3 * HOUR)}
    in_time = format_instant(NOW - 5 * MINUTE)
    for message, sent_at, instant in (
        (told, None, NOW - 3 * HOUR),
        (told, in_time, NOW - 3 * HOUR),
        (told, behind, NOW - HOUR),
        (told | {"sentAt": behind}, in_time, NOW - 3 * HOUR),
        (told | {"sentAt": behind}, None, NOW - HOUR),
        (told | {"sentAt": in_time}, behind, NOW - 3 * HOUR),
        (told | {"sentAt": None}, behind, NOW - HOUR),
        (told | {"sentAt": "yesterday"}, None, NOW - 3 * HOUR),
        (told | {"sentAt": 7}, None, NOW - 3 * HOUR),
        (told, format_instant(NOW - 5 * MINUTE - 1), NOW - 3 * HOUR + 5 * MINUTE + 1),
        (told, format_instant(NOW + HOUR), NOW - 4 * HOUR),
    ):
        assert decoded(message, Arrival(NOW, clock_behind(NOW, sent_at))).instant == instant


def test_what_tells_a_message_that_is_dated_by_its_arrival_is_its_id_and_its_own_time_and_page():
    """Sent again later, it is told by the same; an id that comes twice tells no page view alone."""
    sent_at = format_instant(NOW - HOUR)

    def told_by(message, now):
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
    told = [told_by(message, NOW) for message in messages]
    assert told == [told_by(message, NOW + HOUR) for message in messages]
    assert len(set(told)) == len(messages)
    assert told_by(without(PAGE, "timestamp"), NOW) == b""
    assert decoded(named, Arrival(NOW, clock_behind(NOW, format_instant(NOW)))).arrival_key == b""


def test_a_clock_that_is_years_ahead_is_corrected_before_the_future_is_refused():
    """A correction that leads out of what a time may be tells nothing, and is not made."""
    ahead = PAGE | {"timestamp": "2036-01-01T00:00:00Z", "sentAt": "2036-01-01T00:00:10Z"}
    assert decoded(ahead, Arrival(NOW)).instant == NOW - 10 * SECOND
    early = PAGE | {"timestamp": "1970-01-01T00:00:00Z", "sentAt": "2036-01-01T00:00:00Z"}
    assert decoded(early, Arrival(NOW)).instant == 0
    late = PAGE | {"sentAt": "1970-01-01T00:00:00Z"}
    assert decoded(late, Arrival(NOW)).instant == AGO


def seen(text, arrival):
    """What a message comes to, in the words of the oracle."""
    try:
        event = decode_event(text, NOW, arrival)
    except InvalidInput:
        return None
    return event.kind if isinstance(event, Other) else (event.user_id, event.instant, event.name)


@given(any_message, st.sampled_from([None, "page", "track"]), clocks | st.none())
@example(PAGE, None, None)
def test_a_message_comes_to_what_the_contract_says(message, kind, sent_at):
    """In a request of any route, and in a file."""
    text = encoded(message)
    arrival = Arrival(NOW, clock_behind(NOW, sent_at), kind)
    assert seen(text, arrival) == outcome(message, NOW, NOW, sent_at, kind)
    assert seen(text, None) == outcome(message, NOW)


@given(st.lists(any_message, min_size=1, max_size=8))
def test_lines_of_a_file_and_messages_of_a_batch_come_to_the_same(messages):
    """Decoded one by one, in columns, or as they arrive; but for times that only arrival tells."""
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
def test_messages_of_a_batch_come_to_the_same_together_and_one_by_one(messages, behind):
    """Page views in their order, others, and what is rejected."""
    texts, arrival = [encoded(message) for message in messages], Arrival(NOW, behind)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("behavstats.server.payload._WORTH_COLUMNS", 1)
        together = parse_payload("POST /v1/batch", texts, arrival)
    alone = parse_payload("POST /v1/batch", texts, arrival)
    assert together[:3] == alone[:3]
    assert together.reason == alone.reason

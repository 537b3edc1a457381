"""Decoding in columns gives the same as decoding lines one by one."""

import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from behavstats.decode.event import decode_event
from behavstats.decode.lines import decode_lines
from behavstats.decode.segment import Arrival
from behavstats.decode.vectorized import decode_block, decode_fast_path
from behavstats.model.columns import BatchBuilder
from behavstats.model.line_block import Block
from behavstats.model.timestamps import parse_instant
from tests.support.histories import histories, line, listed

NOW = parse_instant("2026-11-15T12:00:00Z")
GOOD = {"user_id": "u", "name": "/", "timestamp": "2026-11-15T11:00:00Z"}


def body(**changes):
    return json.dumps(GOOD | changes).encode()


def block(text, length=None):
    return Block("events.jsonl", 10, 500, text, len(text) if length is None else length)


def by_place(view):
    return view.user_id, view.instant, view.name


BAD = [
    b"",
    b" ",
    b"{}",
    b"}",
    b"[]",
    b"\xff",
    body() + body(),
    body() + b"\r",
    b"\xef\xbb\xbf",
    b"\xef\xbb\xbf" + body(),
    body(user_id=""),
    body(user_id="x" * 513),
    body(user_id="é" * 257),
    body(name="\0"),
    body(name="x" * 2049),
    body(name="\ud800"),
    body(timestamp="2026-11-16T12:00:00.001Z"),
    body(timestamp="1969-12-31T23:59:59Z"),
    body(timestamp="2026-11-15"),
    body(timestamp="2026-11-15T11:00:00." + "1" * 50 + "Z"),  # valid, but unusual
    body(more="\udcff"),
    body(more=1).replace(b"more", b"mo\xffre"),
    body(deep=[]).replace(b"[]", b"[" * 5000 + b"]" * 5000),
]
MESSAGE = {"type": "page", "userId": "u", "name": "/", "timestamp": "2026-11-15T11:00:00Z"}


def message(**changes):
    return json.dumps(MESSAGE | changes).encode()


MESSAGES = [
    message(),
    message(name=None, properties={"title": "T"}),
    message(name=None),
    message(category="C"),
    b"\xef\xbb\xbf" + message(),
    message(category=5, properties=[]),
    message(userId="", anonymousId="a"),
    message(userId=5),
    message(userId="x" * 513),
    message(type="track"),
    message(type="screen"),
    message(type="beat"),
    message(type=None, event="e"),
    message(timestamp=None),
    message(timestamp=None, originalTimestamp="2026-11-15T11:00:00+01:00"),
    message(timestamp="2026-11-16T12:00:00.001Z"),
    message(sentAt="2026-11-15T10:00:00Z"),
    message(sentAt=5),
    message(user_id="ours"),
    message(more="user_id"),
    message(user_id="ours").replace(b"user_id", rb"user\u005fid"),
    message(more=1).replace(b"more", b"mo\xffre"),
]
lines = st.one_of(
    st.sampled_from(MESSAGES),
    st.builds(body, user_id=st.sampled_from(["u", "v", "é"]), name=st.text(max_size=5)),
    st.just(body()),
    st.sampled_from(BAD),
    st.binary(max_size=10).filter(lambda text: b"\n" not in text),
)


@given(st.lists(lines, min_size=1), st.booleans())
def test_a_block_in_columns_gives_the_same_as_its_lines_one_by_one(lines, newline):
    """The page views may come in another order; the rejections are in the order of lines."""
    text = block(b"\n".join(lines) + (b"\n" if newline else b""))
    views, rejections, non_page_messages = decode_block(text, NOW)
    expected_views, expected_rejections, expected_messages = decode_lines(text, NOW)
    assert sorted(listed(views), key=by_place) == sorted(expected_views, key=by_place)
    assert (rejections, non_page_messages) == (expected_rejections, expected_messages)


@given(st.lists(lines.filter(bytes.strip), min_size=1))
def test_the_fast_path_gives_the_same_as_decoding_messages_one_by_one(messages):
    """It leaves out messages whose time may depend on their arrival."""
    for text, view in zip(messages, decode_fast_path(messages, NOW), strict=True):
        assert view is None or view == decode_event(text, NOW, Arrival(NOW))
        assert view is not None or text not in (body(), message()) or len({*messages}) > 1


def test_valid_messages_are_decoded_on_the_fast_path():
    """This holds for both formats, if all messages have the same format."""
    for text in (body(), message(), message(category="C")):
        assert None not in decode_fast_path([text] * 3, NOW)
    for slow in (message(sentAt="2026-11-15T10:00:00Z"), message(timestamp=None)):
        assert decode_fast_path([slow], NOW) == [None]


@pytest.mark.parametrize("bad", BAD)
def test_an_invalid_line_does_not_slow_down_its_neighbours(bad, monkeypatch):
    """Only this line is decoded alone."""
    decoded_alone = []

    def spy(block, now, chosen):
        decoded_alone.extend(chosen)
        return decode_lines(block, now, chosen)

    monkeypatch.setattr("behavstats.decode.vectorized.decode_lines", spy)
    decode_block(block(b"\n".join([body(), body(), bad, body()])), NOW)
    assert decoded_alone in ([], [2])  # not even this line, if it is valid


def test_an_over_long_line_is_rejected_even_if_its_beginning_is_a_page_view():
    """Only the beginning of the line is in the block."""
    views, (rejection,), _ = decode_block(block(body(), length=2_000_000), NOW)
    assert len(views) == 0
    assert rejection.reason == "line_too_long"


@given(st.lists(histories(), min_size=1, max_size=4))
def test_a_batch_has_the_page_views_of_all_blocks(parts):
    """They are in order, and each text is there once; blocks may come pickled through a pipe."""
    blocks = [decode_block(block(b"".join(map(line, part)) or b"\n"), 1 << 60)[0] for part in parts]
    builder = BatchBuilder()
    for views in pickle.loads(pickle.dumps(blocks)):
        builder.add(views)
    together = builder.page_views()
    assert len(builder) == len(together)
    assert listed(together) == [view for part in parts for view in part]
    assert len(set(together.user_ids)) == len(together.user_ids)
    assert len(set(together.names)) == len(together.names)

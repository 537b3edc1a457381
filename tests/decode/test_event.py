"""Page views are decoded one by one and in blocks of lines."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from behavstats.decode.event import decode_event
from behavstats.decode.lines import decode_lines, encode_lines
from behavstats.errors import InvalidInput
from behavstats.model.line_block import BYTE_ORDER_MARK, Block
from behavstats.model.page_view import MAX_AHEAD, PageView, check_name, check_user_id
from behavstats.model.timestamps import parse_instant
from tests.support.histories import histories

NOW = parse_instant("2026-11-15T12:00:00Z")
GOOD = {"user_id": "u", "name": "/", "timestamp": "2026-11-15T11:00:00Z"}
ONE = PageView("u", NOW - 3_600_000, "/")


def body(**changes):
    return json.dumps(GOOD | changes).encode()


def block(text, length=None):
    return Block("events.jsonl", 10, 500, text, len(text) if length is None else length)


@pytest.mark.parametrize(
    "text",
    [
        body(),
        b"  " + body() + b" \t\r\n",
        body(more={"nested": [1, {"user_id": 2}], "x": 1e300, "n": None}),
        body(timestamp="2026-11-15T12:00:00+01:00"),
        body().replace(b'"u"', b'"first", "user_id": "u"'),
        body(deep=[]).replace(b"[]", b"[" * 500 + b"]" * 500),
    ],
)
def test_a_page_view_is_decoded_and_other_keys_are_ignored(text):
    """White space and the order of keys do not matter; the last of two equal keys counts."""
    assert decode_event(text, NOW) == ONE


@pytest.mark.parametrize(
    ("text", "code", "field"),
    [
        (b"", "invalid_json", None),
        (b"{", "invalid_json", None),
        (b"user_id=u", "invalid_json", None),
        (body() + b"}", "invalid_json", None),
        (body() + body(), "invalid_json", None),
        (body(user_id="U").replace(b"U", b"\\ud800"), "invalid_json", None),
        (b'{"user_id": 1, "name"', "invalid_json", None),
        (body(user_id="U").replace(b"U", b"\xff"), "invalid_utf8", None),
        (body(other="U").replace(b"U", b"\xff"), "invalid_utf8", None),
        (body(user_id="U").replace(b"U", b"\xed\xa0\x80"), "invalid_utf8", None),
        (body(x="U").replace(b'"U"', b"[" * 100_000), "too_deep", None),
        (b'{"user_id": 1, "x": ' + b"[" * 100_000, "too_deep", None),
        (b"[1, 2]", "not_an_object", None),
        (b'"user_id"', "not_an_object", None),
        (b"null", "not_an_object", None),
        (b"{}", "missing_key", "user_id"),
        (b'{"user_id": "u", "timestamp": ""}', "missing_key", "name"),
        (b'{"user_id": "u", "name": "/"}', "missing_key", "timestamp"),
        (body(user_id=7), "wrong_type", "user_id"),
        (body(user_id=None), "wrong_type", "user_id"),
        (body(name=["/"]), "wrong_type", "name"),
        (body(timestamp=1_763_208_000), "wrong_type", "timestamp"),
        (body(x="U", name=1).replace(b'"U"', b"1" * 100_000), "wrong_type", "name"),
        (body().replace(b'"u"', b'7, "user_id": "u"'), "wrong_type", "user_id"),
        (body(user_id=""), "invalid_user_id", "user_id"),
        (body(user_id="a\0b"), "invalid_user_id", "user_id"),
        (body(user_id="u" * 513), "invalid_user_id", "user_id"),
        (body(user_id="é" * 257), "invalid_user_id", "user_id"),
        (body(name=""), "invalid_name", "name"),
        (body(name="\0"), "invalid_name", "name"),
        (body(name="😀" * 513), "invalid_name", "name"),
        (body(timestamp="2026-11-15T11:00:00"), "invalid_timestamp", "timestamp"),
        (body(timestamp="1969-12-31T23:59:59.999Z"), "invalid_timestamp", "timestamp"),
        (body(timestamp="2026-11-16T12:00:00.001Z"), "invalid_timestamp", "timestamp"),
    ],
)
def test_an_invalid_page_view_is_rejected_with_a_code_and_a_field(text, code, field):
    """The message is one line. In a block, the line is a rejection."""
    with pytest.raises(InvalidInput) as refused:
        decode_event(text, NOW)
    assert (refused.value.code, refused.value.field) == (code, field)
    assert "\n" not in str(refused.value)
    views, rejections, _ = decode_lines(block(body() + b"\n" + text + b"\n" + body()), NOW)
    assert views == [ONE, ONE]
    if text:
        (rejection,) = rejections
        assert rejection[:6] == (
            "events.jsonl",
            11,
            500 + len(body()) + 1,
            len(text),
            code,
            str(refused.value),
        )
        assert rejection.text == text


@pytest.mark.parametrize("user_id", ["u" * 512, "é" * 256, "😀" * 128, " ", "\n", "\x7f", "a/b%"])
def test_a_user_id_is_any_text_of_1_to_512_bytes(user_id):
    """White space is part of the id."""
    assert decode_event(body(user_id=user_id), NOW).user_id == user_id


def test_a_name_is_any_text_of_1_to_2048_bytes():
    """The bytes are those of UTF-8."""
    assert decode_event(body(name="é" * 1024), NOW).name == "é" * 1024


@pytest.mark.parametrize("check", [check_user_id, check_name])
def test_a_lone_surrogate_is_rejected(check):
    """For example, it comes from a command line that is not UTF-8."""
    with pytest.raises(InvalidInput, match="surrogate"):
        check("a\ud800")


def test_a_page_view_may_be_24_hours_ahead_and_not_a_millisecond_more():
    """The limit follows the clock that is passed in."""
    assert decode_event(body(), ONE.instant - MAX_AHEAD) == ONE
    with pytest.raises(InvalidInput, match="24 hours"):
        decode_event(body(), ONE.instant - MAX_AHEAD - 1)


@pytest.mark.parametrize(
    "text",
    [
        b"{%s\n}",  # an object on two lines
        b"{%s}{%s}",  # two objects on one line
        b"{%s}{%s}\n{%s\n}",  # as many objects as lines, but not one on each
        b'{"user_id": "u"\n{%s}, {%s}',
    ],
)
def test_only_a_newline_separates_lines(text):
    """An object on two lines, or two objects on one line, are rejected."""
    text = text.replace(b"%s", body()[1:-1])
    views, rejections, _ = decode_lines(block(body() + b"\n" + text + b"\n" + body() + b"\n"), NOW)
    assert views == [ONE, ONE]
    assert len(rejections) == text.count(b"\n") + 1


def test_blank_lines_and_carriage_returns_are_skipped():
    """They are not counted, and line numbers stay right."""
    text = b"\n\r\n  \t\n" + body() + b"\r\nbad\r\n\n" + body()
    views, rejections, _ = decode_lines(block(text), NOW)
    assert views == [ONE, ONE]
    assert [(bad.line, bad.offset, bad.text) for bad in rejections] == [
        (14, 500 + text.index(b"bad"), b"bad")
    ]


def test_an_over_long_line_is_rejected_with_its_place_and_length():
    """The rejection has the beginning of the line as its text."""
    views, (rejection,), _ = decode_lines(block(b"{" * 4096, length=2_000_000), NOW)
    assert views == []
    assert rejection[:5] == ("events.jsonl", 10, 500, 2_000_000, "line_too_long")
    assert rejection.text == b"{" * 4096


lines = st.one_of(
    st.builds(body, name=st.text(max_size=5)),
    st.just(body()),
    st.sampled_from([b"", b" ", b"{}", body() + body(), body() + b"\r", b"\xff", b"}", b"{"]),
    st.sampled_from([BYTE_ORDER_MARK, BYTE_ORDER_MARK + body(), BYTE_ORDER_MARK + b"{"]),
    st.binary(max_size=10).filter(lambda line: b"\n" not in line),
)


@given(st.lists(lines, min_size=1), st.booleans())
def test_a_block_gives_the_same_as_its_lines_one_by_one(lines, newline):
    """Invalid lines do not affect their neighbours."""
    text = b"\n".join(lines) + (b"\n" if newline else b"")
    expected_views, expected_bad = [], []
    for number, one in enumerate(lines, start=10):
        stripped = one.removesuffix(b"\r").removeprefix(BYTE_ORDER_MARK)
        if not stripped.strip(b" \t"):
            continue
        try:
            expected_views.append(decode_event(stripped, NOW))
        except InvalidInput:
            expected_bad.append((number, stripped))
    views, rejections, _ = decode_lines(block(text), NOW)
    assert views == expected_views
    assert [(bad.line, bad.text) for bad in rejections] == expected_bad


@given(histories())
def test_encoded_page_views_are_decoded_unchanged(views):
    """`encode_lines` writes what `ingest` reads."""
    text = encode_lines(views)
    assert decode_lines(block(text), 1 << 60)[:2] == (views, [])


def test_a_byte_order_mark_before_any_line_is_skipped():
    """Concatenated files have marks in the middle; the offset of a rejection is after the mark."""
    mark = BYTE_ORDER_MARK
    text = b"\n".join([body(), mark + body(name="/b"), mark, mark + b"{", body(name="/c")])
    decoded = decode_lines(block(text), NOW)
    assert [view.name for view in decoded.views] == ["/", "/b", "/c"]
    (rejection,) = decoded.rejections
    assert (rejection.line, rejection.text) == (13, b"{")
    assert text[rejection.offset - 500 :].startswith(b"{\n")

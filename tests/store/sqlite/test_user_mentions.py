"""Which rejected lines mention a user: by a string in JSON, or by a word in other text."""

import json
import random

import pytest

from behavstats.store.sqlite.user_mentions import Mention, MentionFinder


@pytest.mark.parametrize(
    ("user_id", "line"),
    [
        ("10", '{"user_id": "11", "timestamp": "2026-11-10T10:10:10Z", "name": 7}'),
        ("10", '{"user_id": "11", "count": 100, "share": 0.10, "more": [1.10, 10.5, -10, 1e10]}'),
        ("anna", '{"user_id": "anna@example.com"}'),
        ("anna", '{"user_id": "u", "name": "/of/anna", "n": {"title": "anna and bob"}}'),
        ("anna", r'{"user_id": "\"anna\"", "b": "\\anna", "c": "anna\\"}'),
        (":", '{"a":"b","c":"d"}'),
        (",", '["a","b"]'),
        ("10", '{"price": 10, "list": [9,10,11]}'),
        ("10", '{"userId": 100, "x": 10}'),
        ("10", '{"userId": [10]}'),
        ("10", "10"),
        ("anna", "anna@example.com sent this"),
        ("anna", "{mail: x.anna@example.com"),
        ("anna", "anna.smith+shop@example.com,"),
        ("example.com", "user=anna@example.com&x"),
        ("anna", "joanna anna7 x_anna ännaanna"),
        ("anna", ""),
    ],
)
def test_a_line_that_holds_the_id_as_a_piece_of_something_else_does_not_name_the_user(
    user_id, line
):
    """Of a timestamp, a longer number, another string, an e-mail address or a longer word."""
    assert MentionFinder(user_id).mention(line.encode()) is Mention.NOT


@pytest.mark.parametrize(
    ("user_id", "line"),
    [
        ("anna", '{"user": {"deep": ["x", "anna"]}}'),
        ("anna", '{"anna": 1}'),
        ("anna", '{"a": "anna", "a": "last of its name"}'),
        ('say "hi"', r'["say \"hi\""]'),
        ("a\\b", r'["a\\b"]'),
        ("é", r'["\u00e9"]'),
        ("anna", "anna"),
        ("anna", "id 7, anna."),
        ("anna", "anna-maria"),
        ("anna", "anna@"),
        ("anna", r"{\"name\": \"\u0061nna\""),
        ("anna", r"'\anna'"),
        ("anna@example.com", "mail anna@example.com!"),
        ("10", '{"user_id": "11"} {"user_id": "12", "timestamp": "2026-11-10"}'),
        ("anna", "\ufeff\xff anna"),
    ],
)
def test_a_line_names_the_user_by_a_string_of_its_own_or_a_word(user_id, line):
    """As a value or a key, at any depth, escaped or not; as a word where the line is no JSON."""
    assert MentionFinder(user_id).mention(line.encode()) is Mention.NAMED


@pytest.mark.parametrize(
    ("user_id", "line"),
    [
        ("anna", '{"user_id": "anna", "name": 7}'),
        ("anna", '{"batch": [{"userId" : "anna"}]}'),
        ("anna", r'{"user\u005fid": "\u0061nna"}'),
        ("42", '{"user_id":42}'),
        ("42", '{"anonymousId": 42 , "x": 1}'),
        ("-3", '{"x": [1, {"userId":\t-3}]}'),
        ("anna", '{"user_id": "anna'),
        ("anna", "USER_ID = 'anna'"),
        ("anna", "userid=anna&page=/"),
        ('say "hi"', r'{"user_id": "say \"hi\""'),
    ],
)
def test_a_line_may_give_the_id_as_that_of_its_user(user_id, line):
    """The id follows a key such as `user_id`; a user without page views is known by such a line."""
    assert MentionFinder(user_id).mention(line.encode()) is Mention.AS_USER


WORDS = ["anna", "10", "a", "é", 'q"', "\\", "\\\\", "b\\n", "😀", "/", " ", "\n", "-1.5"]


def some_json(rng, depth):
    kind = rng.randrange(5 if depth else 3)
    if kind == 3:
        return [some_json(rng, depth - 1) for _ in range(rng.randrange(4))]
    if kind == 4:
        return {rng.choice(WORDS): some_json(rng, depth - 1) for _ in range(rng.randrange(4))}
    return rng.choice(WORDS if kind == 0 else [10, -1.5, 100, 1, "10x", True, None])


def texts_in(data):
    """Return the strings in a JSON value; numbers are not strings."""
    if isinstance(data, dict):
        data = [*data, *data.values()]
    if isinstance(data, list):
        return {text for each in data for text in texts_in(each)}
    return {data} if isinstance(data, str) else set()


def test_every_string_of_any_json_is_found_and_nothing_else():
    """Compared with what Python's own decoder sees, escapes written at random."""
    rng = random.Random(5)
    for _ in range(500):
        data = some_json(rng, depth=3)
        line = json.dumps(data, ensure_ascii=rng.random() < 0.5).encode()
        for word in WORDS:
            is_named = MentionFinder(word).mention(line) is not Mention.NOT
            assert is_named == (word in texts_in(data)), line


@pytest.mark.parametrize(
    "piece", [b"\\", b"\\u0061", b'\\"', b"a", b"a@", b".a", b"userid ", b"[0,"]
)
def test_a_long_hostile_line_is_read_to_its_end(piece):
    """The time does not grow faster than the line, or else this test would not end."""
    line = piece * (1024 * 1024 // len(piece))
    assert MentionFinder("anna").mention(line) is Mention.NOT
    assert MentionFinder("anna").mention(line + b" anna") is Mention.NAMED

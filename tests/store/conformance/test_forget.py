"""Forgetting a user: what is erased, what stays, and the receipt."""

import pytest

from behavstats.errors import UnknownUser
from behavstats.model.page_view import PageView, Rejection
from behavstats.model.profile import window
from behavstats.store import Receipt
from tests.support.histories import AS_OF
from tests.support.stores import rejections_of

SECRET = "8f14e45f-ceea"

NAMING = [
    ('{"user_id": "anna"', "anna"),
    ("user_id=anna&x", "anna"),
    ("{user_id: 'anna'}", "anna"),
    ('{"userId": "anna"}', "anna"),
    ('{"userId": "", "anonymousId": "anna"}', "anna"),
    ("anonymous_id: anna", "anna"),
    ('{"user_id": 42}', "42"),
    (r'{"user_id": "\u0061nna"}', "anna"),
    (r'{"user_id": "a\/b"}', "a/b"),
    (r'{"user_id": "\ud83d\ude00"}', "😀"),
    (r'{"user_id": "say \"hi\""}', 'say "hi"'),
    (r'{"user_id": "a\nb"}', "a\nb"),
    ('{"user_id": ".*"}', ".*"),
    ('{"user_id": "/anna/"}', "/anna/"),
]


def rejection(text, line=1, source="events.jsonl"):
    return Rejection(source, line, 0, len(text), "invalid_json", "broken", text)


def test_a_receipt_counts_what_was_erased(store):
    """Page views, names of pages that no other user viewed, rejected lines that name the user."""
    store.add(
        [
            PageView(SECRET, AS_OF, "/"),
            PageView(SECRET, AS_OF + 1, "/"),
            PageView(SECRET, AS_OF, f"/settings/{SECRET}"),
            PageView("other", AS_OF, "/"),
        ],
        [rejection(f'{{"user_id": "{SECRET}"'.encode()), rejection(b'{"user_id": "other"')],
    )
    assert store.forget(SECRET) == Receipt(SECRET, page_views=3, page_names=1, rejected_lines=1)
    with pytest.raises(UnknownUser):
        store.summary(SECRET, window(AS_OF))
    with pytest.raises(UnknownUser):
        store.forget(SECRET)
    assert store.summary("other", window(AS_OF)).views == 1
    assert [bad.text for bad in rejections_of(store)] == [b'{"user_id": "other"']


@pytest.mark.parametrize(("text", "user_id"), NAMING)
def test_a_line_may_give_a_user_in_many_ways(store, text, user_id):
    """The id may be escaped, in JSON or in text that was meant to be JSON."""
    store.add([], [rejection(text.encode()), rejection(b"x", line=2)])
    assert store.forget(user_id) == Receipt(user_id, 0, 0, 1)
    assert [bad.text for bad in rejections_of(store)] == [b"x"]


@pytest.mark.parametrize("text", ["joanna", "anna7", '{"user_id": "joanna"}', "x_anna", ""])
def test_a_line_in_which_the_id_is_part_of_a_longer_word_stays(store, text):
    """Lines of other users are not erased."""
    store.add([PageView("anna", AS_OF, "/")], [rejection(text.encode())])
    assert store.forget("anna").rejected_lines == 0
    assert store.rejected.totals().lines == 1


@pytest.mark.parametrize(
    "mistyped", ["user_id", "name", "2026", "jsonl", "events", "/pricing", "john", "john@example"]
)
def test_a_mistyped_id_that_is_some_other_word_is_unknown_and_erases_nothing(store, mistyped):
    """The answer must not look like an erasure, and there must be none."""
    lines = [
        rejection(b'{"user_id": "anna", "name": "/pricing", "timestamp": "2026-11-01"}'),
        rejection(b'{"user_id": "john@example.com"}', line=2),
        rejection(b"user_id=john-smith", line=3),
    ]
    store.add([PageView("anna", AS_OF, "/")], lines)
    with pytest.raises(UnknownUser):
        store.forget(mistyped)
    assert list(rejections_of(store)) == lines

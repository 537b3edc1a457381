"""Rejected lines: kept once each, read in order, cleared from every byte."""

from behavstats.events import Rejection
from tests.store.conftest import VIEW

REJECTION = Rejection("events.jsonl", 7, 100, 3, "invalid_json", "it is broken", b"bad")


def test_rejected_lines_are_kept_in_order_each_once(store):
    """With all that is known of them."""
    other = REJECTION._replace(line=3, text=b"\xff" * 100)
    store.add([], [REJECTION, REJECTION, other])
    store.add([], [REJECTION])
    assert list(store.rejections()) == [REJECTION, other]
    assert store.count_rejections() == 2


def test_many_rejected_lines_are_read_in_chunks(store):
    """None is left out or read twice."""
    many = [REJECTION._replace(line=number) for number in range(200)]
    store.add([], many)
    assert list(store.rejections()) == many


def test_cleared_rejected_lines_are_gone_from_every_byte(store, db):
    """And counted."""
    store.add([VIEW], [REJECTION._replace(text=b"a very special text")])
    assert store.clear_rejections() == 1
    assert list(store.rejections()) == []
    assert all(b"special" not in path.read_bytes() for path in db.parent.glob("store.db*"))
    store.add([], [REJECTION])
    assert list(store.rejections()) == [REJECTION]

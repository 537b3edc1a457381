"""Rejected lines: kept once each, read in order, cleared from every byte."""

from behavstats.model.page_view import Rejection
from behavstats.store import Group, Selection
from tests.support.histories import AS_OF
from tests.support.stores import rejections_of

REJECTION = Rejection("events.jsonl", 7, 100, 3, "invalid_json", "it is broken", b"bad")


def test_rejected_lines_are_kept_in_order_each_once(store):
    """All their fields are kept."""
    other = REJECTION._replace(line=3, text=b"\xff" * 100, arrived=AS_OF, sender=7)
    store.add([], [REJECTION, REJECTION, other])
    assert list(rejections_of(store)) == [REJECTION, other]
    assert store.rejected.totals().lines == 2


def test_a_line_that_is_rejected_again_is_kept_once_behind_the_others(store):
    """So it is not cleared with lines exported before. It keeps its first time of arrival."""
    first = REJECTION._replace(arrived=AS_OF)
    other = REJECTION._replace(line=3)
    store.add([], [first, other])
    *_, (exported, _) = store.rejected.read(Selection())
    store.add([], [first._replace(arrived=AS_OF + 5)])
    assert list(rejections_of(store)) == [other, first]
    assert store.rejected.clear(up_to=exported) == 1
    assert list(rejections_of(store)) == [first]
    assert store.rejected.totals()[:4] == (1, 3, 0, 0)


def test_many_rejected_lines_are_read_in_chunks(store):
    """No line is left out or read twice."""
    many = [REJECTION._replace(line=number) for number in range(200)]
    store.add([], many)
    assert list(rejections_of(store)) == many


def test_only_what_was_exported_is_cleared(store):
    """Later lines stay; so do lines of which only the beginning is kept, unless `whole` is set."""
    long = REJECTION._replace(line=8, length=2_000_000)
    store.add([], [REJECTION, long])
    *_, (exported, _) = store.rejected.read(Selection())
    later = REJECTION._replace(line=9)
    store.add([], [later])
    assert store.rejected.clear(up_to=exported, whole=False) == 1
    assert list(rejections_of(store)) == [long, later]
    assert store.rejected.clear(whole=False) == 1
    assert store.rejected.clear() == 1
    assert list(rejections_of(store)) == []


def test_lines_are_selected_by_source_and_reason(store):
    """The selected lines can be read, counted and cleared."""
    lines = [
        REJECTION._replace(line=number, source=source, reason=reason, arrived=AS_OF + number)
        for number, (source, reason) in enumerate([("a", "x"), ("a", "y"), ("b", "x"), ("a", "x")])
    ]
    store.add([], lines)
    chosen = Selection(source="./a", path="a", reason="x")
    assert [line for _, line in store.rejected.read(chosen)] == [lines[0], lines[3]]
    assert store.rejected.groups(chosen) == [Group("a", "x", 2, AS_OF, AS_OF + 3)]
    assert len(store.rejected.groups(Selection())) == 3
    assert store.rejected.clear(chosen) == 2
    assert list(rejections_of(store)) == lines[1:3]

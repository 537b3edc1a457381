"""How far followed files were taken: with what was taken, in one transaction, or not at all."""

import pytest

from behavstats.errors import OffsetConflict, UnknownSource
from behavstats.model.page_view import Rejection
from behavstats.store import Checkpoint, OffsetUpdate
from tests.support.histories import AS_OF
from tests.support.stores import VIEW, columns, export, rejections_of

BAD = Rejection("/a", 2, 80, 1, "invalid_json", "broken", b"{")


def step(name="/a", offset=100, expected=None, inode=7, **more):
    checkpoint = Checkpoint(offset, 3, b"head", b"tail", 4)
    values = {"rejected": 1, "size": 120, "modified": None, "taken": AS_OF}
    return OffsetUpdate(name, 1, inode, expected, checkpoint, **(values | more))


def take(store, views, rejections=(), steps=()):
    return sum(added for _, added in store.load(columns(views), rejections, steps))


def test_a_batch_is_stored_with_how_far_its_file_was_taken(store):
    """All that `behavstats sources` shows."""
    assert take(store, [VIEW], [BAD], [step()]) == 1
    (source,) = store.offsets.all()
    assert (source.name, source.checkpoint.offset, source.checkpoint.lines) == ("/a", 100, 3)
    assert (source.size, source.lag, source.rejected, source.taken) == (120, 20, 1, AS_OF)
    assert store.offsets.of(1, 7) == source
    assert store.offsets.of(1, 8) is None
    assert [*rejections_of(store)] == [BAD]


def test_it_may_be_all_that_there_is_to_store(store):
    """As when a file has another name."""
    take(store, [], [], [step()])
    take(store, [], [], [step("/b", expected=100)])
    assert [source.name for source in store.offsets.all()] == ["/b"]


@pytest.mark.parametrize("expected", [None, 99])
def test_where_another_process_was_faster_nothing_of_a_batch_counts(store, expected):
    """Neither rejected lines nor progress; what is in the file is looked at again."""
    take(store, [], [], [step()])
    with pytest.raises(OffsetConflict, match="/a"):
        take(store, [VIEW], [BAD], [step(offset=200, expected=expected)])
    assert store.rejected.totals().lines == 0
    assert export(store, "u") is None
    assert store.offsets.all()[0].checkpoint.offset == 100


def test_files_are_found_by_their_beginning_those_that_were_taken_furthest_first(store):
    """To know copies by; also of a content that is in no file any more."""
    take(store, [], [], [step(), step("/b", 300, inode=8), step("/c", 200, inode=9)])
    names = [source.name for source in store.offsets.by_beginnings([b"x", b"head"])]
    assert names == ["/b", "/c", "/a"]
    store.offsets.move(store.offsets.of(1, 7), None)
    assert store.offsets.of(1, 7) is None
    gone = store.offsets.by_beginnings([b"head"])[-1]
    assert (gone.name, gone.device, gone.lag) == ("/a", None, 0)
    store.offsets.move(gone, (5, 2**64 - 1))
    assert store.offsets.of(5, 2**64 - 1).id == gone.id


def test_a_source_is_forgotten_by_its_name(store):
    """One that is not known is an error."""
    take(store, [], [], [step(), step("/b", inode=8)])
    store.offsets.forget("/a")
    assert [source.name for source in store.offsets.all()] == ["/b"]
    with pytest.raises(UnknownSource, match="/a"):
        store.offsets.forget("/a")
    assert list(store.check()) == []

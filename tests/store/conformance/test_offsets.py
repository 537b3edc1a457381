"""Source offsets are stored in the transaction of the lines before them, or not at all."""

import pytest

from behavstats.errors import OffsetConflict, UnknownSource
from behavstats.model.page_view import Rejection
from behavstats.store import Checkpoint, OffsetUpdate
from tests.support.histories import AS_OF
from tests.support.stores import VIEW, columns, export, rejections_of

BAD = Rejection("/a", 2, 80, 1, "invalid_json", "broken", b"{")


def update(name="/a", offset=100, expected=None, inode=7, **more):
    checkpoint = Checkpoint(offset, 3, b"head", b"tail", 4)
    values = {"rejected": 1, "size": 120, "modified": None, "taken": AS_OF}
    return OffsetUpdate(name, 1, inode, expected, checkpoint, **(values | more))


def load(store, views, rejections=(), updates=()):
    return sum(added for _, added in store.load(columns(views), rejections, updates))


def test_a_batch_is_stored_with_the_offset_of_its_file(store):
    """The store then has everything that `behavstats sources` shows."""
    assert load(store, [VIEW], [BAD], [update()]) == 1
    (source,) = store.offsets.all()
    assert (source.name, source.checkpoint.offset, source.checkpoint.lines) == ("/a", 100, 3)
    assert (source.size, source.lag, source.rejected, source.taken) == (120, 20, 1, AS_OF)
    assert store.offsets.of(1, 7) == source
    assert store.offsets.of(1, 8) is None
    assert [*rejections_of(store)] == [BAD]


def test_an_offset_may_be_stored_without_page_views(store):
    """For example when a file was renamed."""
    load(store, [], [], [update()])
    load(store, [], [], [update("/b", expected=100)])
    assert [source.name for source in store.offsets.all()] == ["/b"]


@pytest.mark.parametrize("expected", [None, 99])
def test_an_offset_conflict_stores_nothing_of_the_batch(store, expected):
    """It stores neither page views nor rejected lines nor the offset; the file is read again."""
    load(store, [], [], [update()])
    with pytest.raises(OffsetConflict, match="/a"):
        load(store, [VIEW], [BAD], [update(offset=200, expected=expected)])
    assert store.rejected.totals().lines == 0
    assert export(store, "u") is None
    assert store.offsets.all()[0].checkpoint.offset == 100


def test_files_are_found_by_prefix_with_the_largest_offset_first(store):
    """So copies are recognised, even of a content that no file holds any more."""
    load(store, [], [], [update(), update("/b", 300, inode=8), update("/c", 200, inode=9)])
    names = [source.name for source in store.offsets.by_prefixes([b"x", b"head"])]
    assert names == ["/b", "/c", "/a"]
    store.offsets.move(store.offsets.of(1, 7), None)
    assert store.offsets.of(1, 7) is None
    gone = store.offsets.by_prefixes([b"head"])[-1]
    assert (gone.name, gone.device, gone.lag) == ("/a", None, 0)
    store.offsets.move(gone, (5, 2**64 - 1))
    assert store.offsets.of(5, 2**64 - 1).id == gone.id


def test_a_source_is_forgotten_by_its_name(store):
    """An unknown name is an error."""
    load(store, [], [], [update(), update("/b", inode=8)])
    store.offsets.forget("/a")
    assert [source.name for source in store.offsets.all()] == ["/b"]
    with pytest.raises(UnknownSource, match="/a"):
        store.offsets.forget("/a")
    assert list(store.check()) == []

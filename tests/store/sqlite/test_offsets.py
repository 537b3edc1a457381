"""How far followed files were taken: with what was taken, in one transaction, or not at all."""

import sqlite3
from contextlib import closing

import pytest

from behavstats.errors import OffsetConflict, UnknownSource
from behavstats.model.page_view import PageView, Rejection
from behavstats.store import Checkpoint, OffsetUpdate, create_store
from behavstats.store.sqlite import offset_queries as progress_module
from behavstats.store.sqlite import store as store_module
from tests.conftest import files_of
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


def test_a_large_batch_has_it_in_its_last_transaction(store, monkeypatch):
    """Killed before that, the file is taken again from where it was."""
    monkeypatch.setattr(store_module, "_LOADED_AT_ONCE", 2)
    views = [PageView("u", AS_OF + number, "/") for number in range(6)]
    parts = store.load(columns(views), [BAD], [step()])
    for _ in range(2):
        next(parts)
        assert store.offsets.all() == []
        assert store.rejected.totals().lines == 0
    assert next(parts) == (2, 2)
    assert len(store.offsets.all()) == store.rejected.totals().lines == 1


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


def test_of_contents_that_are_gone_the_latest_are_remembered(store, monkeypatch):
    """A file that is written anew each second must not fill the store."""
    monkeypatch.setattr(progress_module, "_REMEMBERED", 3)
    for number in range(10):
        take(store, [], [], [step(taken=AS_OF + number)])
        store.offsets.move(store.offsets.of(1, 7), None)
    assert [source.taken - AS_OF for source in store.offsets.all()] == [7, 8, 9]


def test_a_source_is_forgotten_by_its_name(store):
    """One that is not known is an error."""
    take(store, [], [], [step(), step("/b", inode=8)])
    store.offsets.forget("/a")
    assert [source.name for source in store.offsets.all()] == ["/b"]
    with pytest.raises(UnknownSource, match="/a"):
        store.offsets.forget("/a")
    assert list(store.check()) == []


def test_the_name_of_a_file_that_names_a_forgotten_user_goes_and_does_not_come_back(db):
    """From every byte; how far the file was taken stays."""
    secret, names = "8f14e45f-ceea", [f"/of/{number}.jsonl" for number in range(300)]
    with create_store(db, lock_timeout=10) as store:
        steps = [step(name, inode=number) for number, name in enumerate(names)]
        take(store, [], [], [*steps, step(f"/of/{secret}.jsonl", inode=999)])
        for number, name in enumerate(names):  # rows grow, and move
            longer = step(f"{name}.1", 10**12, 100, number)
            take(store, [], [], [longer])
        take(store, [PageView(secret, AS_OF, "/")], [], [step(f"/of/{secret}.2", 200, 100, 999)])
        store.forget(secret)
        assert store.offsets.of(1, 999).name is None
        take(store, [], [], [step(f"/of/{secret}.2", 300, 200, 999)])
        assert store.offsets.of(1, 999).checkpoint.offset == 300
        store.maintain()
        assert [name for name, data in files_of(db).items() if secret.encode() in data] == []


def test_the_columns_may_hold_numbers_of_any_file_system(store):
    """Some use all 64 bits for a device or an inode."""
    take(store, [], [], [step(inode=2**64 - 2)])
    assert store.offsets.of(1, 2**64 - 2).inode == 2**64 - 2
    with closing(sqlite3.connect(store.path)) as connection:
        assert connection.execute("SELECT inode FROM progress").fetchone() == (-2,)

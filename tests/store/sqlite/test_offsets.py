"""Source offsets in SQLite: transactions, how many are kept, and their bytes."""

import sqlite3
from contextlib import closing

from behavstats.model.page_view import PageView
from behavstats.store import create_store
from behavstats.store.sqlite import offset_queries as progress_module
from behavstats.store.sqlite import store as store_module
from tests.conftest import files_of
from tests.store.conformance.test_offsets import BAD, load, update
from tests.support.histories import AS_OF
from tests.support.stores import columns


def test_a_large_batch_stores_offsets_in_its_last_transaction(store, monkeypatch):
    """If the process is killed before that, the file is read again from the old offset."""
    monkeypatch.setattr(store_module, "_LOADED_AT_ONCE", 2)
    views = [PageView("u", AS_OF + number, "/") for number in range(6)]
    parts = store.load(columns(views), [BAD], [update()])
    for _ in range(2):
        next(parts)
        assert store.offsets.all() == []
        assert store.rejected.totals().lines == 0
    assert next(parts) == (2, 2)
    assert len(store.offsets.all()) == store.rejected.totals().lines == 1


def test_the_latest_contents_without_a_file_are_remembered(store, monkeypatch):
    """A file that is replaced each second must not fill the store."""
    monkeypatch.setattr(progress_module, "_REMEMBERED", 3)
    for number in range(10):
        load(store, [], [], [update(taken=AS_OF + number)])
        store.offsets.move(store.offsets.of(1, 7), None)
    assert [source.taken - AS_OF for source in store.offsets.all()] == [7, 8, 9]


def test_a_file_name_that_names_a_forgotten_user_is_erased_for_good(db):
    """No byte of the name is left; the offset of the file stays."""
    secret, names = "8f14e45f-ceea", [f"/of/{number}.jsonl" for number in range(300)]
    with create_store(db, lock_timeout=10) as store:
        updates = [update(name, inode=number) for number, name in enumerate(names)]
        load(store, [], [], [*updates, update(f"/of/{secret}.jsonl", inode=999)])
        for number, name in enumerate(names):  # rows grow, and move
            longer = update(f"{name}.1", 10**12, 100, number)
            load(store, [], [], [longer])
        load(store, [PageView(secret, AS_OF, "/")], [], [update(f"/of/{secret}.2", 200, 100, 999)])
        store.forget(secret)
        assert store.offsets.of(1, 999).name is None
        load(store, [], [], [update(f"/of/{secret}.2", 300, 200, 999)])
        assert store.offsets.of(1, 999).checkpoint.offset == 300
        store.maintain()
        assert [name for name, data in files_of(db).items() if secret.encode() in data] == []


def test_the_columns_may_hold_numbers_of_any_file_system(store):
    """Some use all 64 bits for a device or an inode."""
    load(store, [], [], [update(inode=2**64 - 2)])
    assert store.offsets.of(1, 2**64 - 2).inode == 2**64 - 2
    with closing(sqlite3.connect(store.path)) as connection:
        assert connection.execute("SELECT inode FROM progress").fetchone() == (-2,)

"""The write-ahead log: what durability rests on, and checkpoints."""

import sqlite3
from contextlib import closing
from pathlib import Path

from behavstats.events import PageView
from behavstats.store import Store
from tests.histories import AS_OF
from tests.store.conftest import VIEW, export


def test_a_closed_store_is_one_file_without_a_wal(db):
    """Besides the two empty ones of its lock."""
    with Store.create(db, patience=10) as store:
        store.add([VIEW])
    assert sorted(path.name for path in db.parent.glob("store.db*")) == [
        "store.db",
        "store.db-lock",
        "store.db-turn",
    ]


def test_the_writer_has_the_pragmas_that_durability_rests_on(store):
    """WAL in the file; FULL synchronous, secure deletion, no checkpoints of SQLite's own."""
    store.add([VIEW])
    writer = store._writer
    pragmas = ("journal_mode", "synchronous", "secure_delete", "wal_autocheckpoint", "mmap_size")
    values = [writer.execute(f"PRAGMA {pragma}").fetchone() for pragma in pragmas]
    assert values == [("wal",), (2,), (1,), (0,), (0,)]


def test_a_wal_that_grows_large_is_checkpointed_on_the_way(store, db, monkeypatch):
    """So that it does not grow with what is ingested."""
    for large in ("_LARGE_WAL", "_LARGE_WAL_OF_BATCHES"):
        monkeypatch.setattr(f"behavstats.store.store.{large}", 100_000)
    sizes = []
    for start in range(0, 100_000, 1000):
        store.add([PageView("u", AS_OF + start + number, "/") for number in range(1000)])
        sizes.append(Path(f"{db}-wal").stat().st_size)
    assert max(sizes) < 1_000_000
    assert 0 < sum(size == 0 for size in sizes) < len(sizes)  # now and then, not each time


def test_a_checkpoint_that_was_cut_off_leaves_a_store_that_opens(store, db):
    """Its file is shorter than its first page says; the WAL has the rest."""
    store.add([VIEW])
    store.checkpoint()
    before = db.stat().st_size
    store.add([PageView(f"u{number}", AS_OF, "/") for number in range(20_000)])
    wal = Path(f"{db}-wal").read_bytes()
    store.checkpoint()
    whole = db.read_bytes()
    for length in (before, before + 4096, (before + len(whole)) // 2):
        cut = db.with_name(f"cut{length}.db")
        cut.write_bytes(whole[:length])
        Path(f"{cut}-wal").write_bytes(wal)
        with Store.create(cut, patience=1) as reopened:
            assert export(reopened, "u19999") == [PageView("u19999", AS_OF, "/")]
            assert reopened.add([VIEW]) == 0


def test_a_copy_that_lost_wal_mode_gets_it_back(store, db):
    """VACUUM INTO, with which one may make a backup, makes such copies."""
    store.add([VIEW])
    copy = db.with_name("copy.db")
    with closing(sqlite3.connect(db)) as connection:
        connection.execute(f"VACUUM INTO '{copy}'")
    with Store.open(copy, patience=1) as copied:
        assert copied.add([VIEW, PageView("v", AS_OF, "/")]) == 1
        assert copied._writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)

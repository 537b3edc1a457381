"""The write-ahead log: the settings that make writes durable, and checkpoints."""

import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from behavstats.model.page_view import PageView
from behavstats.store import create_store, open_store
from tests.support.histories import AS_OF
from tests.support.stores import VIEW, export


def test_a_closed_store_is_one_file_without_a_wal(db):
    """Only the two empty lock files are next to it."""
    with create_store(db, lock_timeout=10) as store:
        store.add([VIEW])
    assert sorted(path.name for path in db.parent.glob("store.db*")) == [
        "store.db",
        "store.db-lock",
        "store.db-turn",
    ]


def test_the_writer_has_the_pragmas_that_durability_rests_on(store):
    """WAL mode, full synchronization, secure deletion, and no automatic checkpoints."""
    store.add([VIEW])
    writer = store.database.writer
    pragmas = ("journal_mode", "synchronous", "secure_delete", "wal_autocheckpoint", "mmap_size")
    values = [writer.execute(f"PRAGMA {pragma}").fetchone() for pragma in pragmas]
    assert values == [("wal",), (2,), (1,), (0,), (0,)]


def test_a_large_wal_is_copied_and_overwritten(store, db, monkeypatch):
    """So it does not grow with an ingest, and commits do not change its length."""
    monkeypatch.setattr("behavstats.store.sqlite.database._LARGE_WAL", 100_000)
    sizes, of_store = [], []
    for start in range(0, 20_000, 100):
        store.add([PageView("u", AS_OF + start + number, "/") for number in range(100)])
        sizes.append(Path(f"{db}-wal").stat().st_size)
        of_store.append(db.stat().st_size)
    assert sizes == sorted(sizes)
    assert 100_000 < sizes[-1] < 200_000
    assert 2 < len(set(of_store)) < len(of_store) / 2  # now and then, not each time


def test_a_wal_that_grew_for_a_batch_is_truncated(store, db, monkeypatch):
    """The next small commit truncates it."""
    monkeypatch.setattr("behavstats.store.sqlite.database._LARGE_WAL", 100_000)
    wal = Path(f"{db}-wal")
    store.add([VIEW])  # the first commit of a connection empties a log left by other processes
    store.add([PageView(f"u{number}", AS_OF, "/") for number in range(20_000)])
    assert wal.stat().st_size > 200_000
    store.add([PageView("v", AS_OF, "/")])
    assert wal.stat().st_size == 0


@settings(max_examples=20)
@given(st.lists(st.lists(st.integers(1, 300), min_size=1, max_size=3), min_size=1, max_size=5))
def test_the_filled_length_of_a_wal_is_measured_whatever_it_held_before(times):
    """It is the length that SQLite reports for a checkpoint."""
    frames = range(600)
    with (
        TemporaryDirectory() as folder,
        create_store(Path(folder, "s.db"), lock_timeout=1) as store,
    ):
        for time, commits in enumerate(times):
            for number, views in enumerate(commits):
                store.add([PageView(f"{time}-{number}-{n}", AS_OF, f"/{n}") for n in range(views)])
            writer, wal = store.database.writer, store.database.wal
            (page,) = writer.execute("PRAGMA page_size").fetchone()
            is_longer = [wal._is_longer(number * (page + 24)) for number in frames]
            _, filled, _ = writer.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
            assert is_longer == [number < filled for number in frames]


def test_a_store_opens_after_an_interrupted_checkpoint(store, db):
    """The file is shorter than its first page says; the WAL has the rest."""
    store.add([VIEW])
    store.maintain()
    before = db.stat().st_size
    store.add([PageView(f"u{number}", AS_OF, "/") for number in range(20_000)])
    wal = Path(f"{db}-wal").read_bytes()
    store.maintain()
    whole = db.read_bytes()
    for length in (before, before + 4096, (before + len(whole)) // 2):
        cut = db.with_name(f"cut{length}.db")
        cut.write_bytes(whole[:length])
        Path(f"{cut}-wal").write_bytes(wal)
        with create_store(cut, lock_timeout=1) as reopened:
            assert export(reopened, "u19999") == [PageView("u19999", AS_OF, "/")]
            assert reopened.add([VIEW]) == 0


def test_a_copy_that_lost_wal_mode_gets_it_back(store, db):
    """VACUUM INTO, which some people use for backups, makes such copies."""
    store.add([VIEW])
    copy = db.with_name("copy.db")
    with closing(sqlite3.connect(db)) as connection:
        connection.execute(f"VACUUM INTO '{copy}'")
    with open_store(copy, lock_timeout=1) as copied:
        assert copied.add([VIEW, PageView("v", AS_OF, "/")]) == 1
        assert copied.database.writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)

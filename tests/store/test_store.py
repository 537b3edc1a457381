"""The store's verbs, against the oracle and on real files."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from behavstats.errors import NoStore, NotAStore, StoreUnavailable, UnknownUser
from behavstats.events import PageView, Rejection
from behavstats.profile import detailed_profile, window
from behavstats.store import Store, database
from behavstats.store.lock import StoreLock
from tests import oracle
from tests.histories import (
    AS_OF,
    USERS,
    as_ofs,
    batches,
    comparable_detail,
    expected_detail,
    triples,
)

VIEW = PageView("u", AS_OF, "/")
REJECTION = Rejection("events.jsonl", 7, 100, 3, "invalid_json", "it is broken", b"bad")


@settings(max_examples=150)
@given(batches(), st.lists(as_ofs, min_size=1, max_size=3), st.integers(1, 90))
def test_a_profile_from_the_store_is_what_the_oracle_says(tmp_path_factory, batches, as_ofs, days):
    """Whatever the history, however it was split and ordered, wherever the window lies."""
    views = [view for batch in batches for view in batch]
    with Store.create(tmp_path_factory.mktemp("s") / "store.db", patience=10) as store:
        added = [store.add(batch) for batch in batches]
        assert sum(added) == len(set(views))
        for user_id in USERS:
            for as_of in as_ofs:
                expected = oracle.profile(triples(views), user_id, as_of, days)
                wanted = window(as_of, days)
                if expected is None:
                    with pytest.raises(UnknownUser):
                        store.summary(user_id, wanted)
                    continue
                answer = detailed_profile(user_id, store.summary(user_id, wanted), wanted)
                assert list(answer.items())[:5] == list(expected.items())
                detail = oracle.detail(triples(views), user_id, as_of, days)
                assert comparable_detail(answer) == expected_detail(detail)


@settings(max_examples=50)
@given(batches(), st.integers(0, 4))
def test_after_forget_it_is_as_if_the_user_had_never_been(tmp_path_factory, batches, when):
    """Whatever came before; what comes later is all there is, and others do not change."""
    before, after = batches[:when], batches[when:]
    folder = tmp_path_factory.mktemp("s")
    with (
        Store.create(folder / "forgetful.db", patience=10) as store,
        Store.create(folder / "innocent.db", patience=10) as innocent,
    ):
        for batch in before:
            store.add(batch)
            innocent.add([view for view in batch if view.user_id != "u"])
        views = {view for batch in before for view in batch if view.user_id == "u"}
        if views:
            assert store.forget("u")[:2] == ("u", len(views))
        else:
            with pytest.raises(UnknownUser):
                store.forget("u")
        for batch in after:
            assert store.add(batch) == innocent.add(batch)
        for user_id in USERS:
            assert export(store, user_id) == export(innocent, user_id)
        assert page_names(store) == page_names(innocent)


def export(store, user_id):
    try:
        views = [view for views in store.page_views(user_id) for view in views]
    except UnknownUser:
        return None
    assert [view.instant for view in views] == sorted(view.instant for view in views)
    return sorted(views, key=lambda view: (view.instant, view.name))


def page_names(store):
    with closing(sqlite3.connect(store.path)) as connection:
        return sorted(connection.execute("SELECT name FROM page WHERE name IS NOT NULL"))


def test_an_added_page_view_is_there_and_a_repeat_changes_nothing(store):
    """`add` returns what is new."""
    other = PageView("u", AS_OF + 1, "/")
    assert store.add([VIEW, VIEW]) == 1
    assert store.add([VIEW, other]) == 1
    assert export(store, "u") == [VIEW, other]


def test_an_empty_batch_is_fine(store):
    """As a block of blank lines makes it."""
    assert store.add([]) == 0


def test_a_large_batch_is_stored_whole(store):
    """More than one statement's rows, more than one chunk's of an export."""
    views = [PageView("u", AS_OF + number, f"/{number % 7}") for number in range(25_033)]
    assert store.add(views) == len(views)
    assert export(store, "u") == views
    assert store.add(list(reversed(views))) == 0


def test_more_texts_than_are_remembered_keep_their_keys(store, monkeypatch):
    """The cache of keys is bounded, and nothing depends on it."""
    monkeypatch.setattr("behavstats.store.writing._REMEMBERED", 500)
    views = [PageView(f"u{number}", AS_OF, f"/{number}") for number in range(10)]
    for _ in range(2):
        for view in views:
            store.add([view])
    assert [export(store, view.user_id) for view in views] == [[view] for view in views]


def test_a_failed_transaction_leaves_nothing(store):
    """Not a page view, not a key that is remembered for nobody: here, of a disk that is full."""
    store.add([VIEW])
    (pages,) = store._writer.execute("PRAGMA page_count").fetchone()
    store._writer.execute(f"PRAGMA max_page_count = {pages}")
    many = [PageView("w", AS_OF + number, "/w") for number in range(10_000)]
    with pytest.raises(StoreUnavailable, match="full"):
        store.add(many)
    assert export(store, "w") is None
    assert store.add([PageView("v", AS_OF, "/")]) == 1
    store._writer.execute("PRAGMA max_page_count = 100000")
    assert store.add(many) == len(many)
    assert export(store, "w") == many


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


def test_the_sql_view_shows_page_views_as_they_were_sent(store, db):
    """For a person with the sqlite3 shell."""
    store.add([PageView("ü", 1_709_288_999_007, "/é")])
    with closing(sqlite3.connect(db)) as connection:
        rows = connection.execute("SELECT * FROM readable_page_view").fetchall()
    assert rows == [("ü", "/é", "2024-03-01T10:29:59.007Z")]


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


def test_keys_are_sound_and_never_used_again(store, db):
    """Foreign keys hold, and a user who comes back is a new user."""
    store.add([VIEW, PageView("v", AS_OF, "/v")])
    store.forget("v")
    store.add([PageView("v", AS_OF, "/v")])
    with closing(sqlite3.connect(db)) as connection:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        users = connection.execute("SELECT id, user_id FROM user ORDER BY id").fetchall()
    assert users == [(1, "u"), (2, None), (3, "v")]


def test_a_wal_that_grows_large_is_checkpointed_on_the_way(store, db, monkeypatch):
    """So that it does not grow with what is ingested."""
    monkeypatch.setattr("behavstats.store.store._LARGE_WAL", 100_000)
    sizes = []
    for start in range(0, 100_000, 1000):
        store.add([PageView("u", AS_OF + start + number, "/") for number in range(1000)])
        sizes.append(Path(f"{db}-wal").stat().st_size)
    assert max(sizes) < 1_000_000
    assert 0 < sum(size == 0 for size in sizes) < len(sizes)  # now and then, not each time


def test_opening_where_there_is_no_store_makes_none(db):
    """An empty file is none either."""
    with pytest.raises(NoStore):
        Store.open(db, patience=1)
    assert list(db.parent.iterdir()) == []
    db.touch()
    with pytest.raises(NoStore):
        Store.open(db, patience=1)
    with Store.create(db, patience=1) as store:
        assert store.add([VIEW]) == 1


def _another_programs_database(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE theirs (x)")


def _newer_store(path):
    Store.create(path, patience=1).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {database.VERSION + 1}")
    Path(f"{path}-lock").unlink()
    Path(f"{path}-turn").unlink()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_text("user,page\n" * 1000), "not a behavstats store"),
        (lambda path: path.mkdir(), "not a file"),
        (lambda path: path.write_text("A"), "not a behavstats store"),
        (_another_programs_database, "another program"),
        (_newer_store, "newer"),
    ],
)
@pytest.mark.parametrize("opening", [Store.open, Store.create])
def test_what_is_no_store_of_ours_is_refused_and_left_as_it_is(db, make, message, opening):
    """Its bytes are not touched, and nothing is put beside it."""
    make(db)
    before = {path: path.is_file() and path.read_bytes() for path in db.parent.iterdir()}
    with pytest.raises(NotAStore, match=message):
        opening(db, patience=1)
    after = {path: path.is_file() and path.read_bytes() for path in db.parent.iterdir()}
    assert after == before


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


def test_a_store_can_be_opened_at_any_moment_of_a_growing_ingest(store, db):
    """Checkpoints run meanwhile, and the file is longer from moment to moment."""
    stop = threading.Event()
    errors = []

    def reopen():
        while not stop.is_set():
            try:
                Store.open(db, patience=1).close()
            except Exception as error:
                errors.append(error)

    opener = threading.Thread(target=reopen)
    opener.start()
    for start in range(0, 60_000, 2000):
        store.add([PageView(f"user{start + n}", AS_OF, f"/{start + n}") for n in range(2000)])
        store.checkpoint()
    stop.set()
    opener.join()
    assert errors == []


def test_a_store_cut_short_is_an_error_not_a_traceback(store, db):
    """Of SQLite's words, ours."""
    store.add([PageView(f"u{number}", AS_OF, "/") for number in range(10_000)])
    store.close()
    with db.open("r+b") as file:
        file.truncate(8192)
    with pytest.raises(StoreUnavailable), Store.open(db, patience=1) as cut:
        cut.summary("u1", window(AS_OF))


def test_a_store_in_a_folder_that_is_not_there_is_not_made(tmp_path):
    """The message names the folder."""
    with pytest.raises(StoreUnavailable, match="missing"):
        Store.create(tmp_path / "missing" / "store.db", patience=1)


@pytest.mark.parametrize("name", ["a b", "50%", "what?", "#1", "ü☕", "a'b", 'a"b', "x;y&z=1"])
def test_a_store_may_have_any_name(tmp_path, name):
    """Although SQLite is given it as a URI."""
    with Store.create(tmp_path / name, patience=1) as store:
        store.add([VIEW])
        assert store.path.exists()
    with Store.open(tmp_path / name, patience=1) as store:
        assert export(store, "u") == [VIEW]


def test_a_store_reached_by_a_link_is_the_same_store_with_the_same_lock(store, db):
    """Two names with a lock each would be two writers at once."""
    link = db.with_name("link.db")
    link.symlink_to(db)
    with Store.create(link, patience=1) as linked:
        assert linked.path == store.path
        linked.add([VIEW])
        store.add([VIEW])
    assert not list(db.parent.glob("link.db-*"))


def test_a_store_used_again_after_its_close_knows_what_happened_meanwhile(db):
    """It opens a new connection, and has forgotten the keys of the old one."""
    store = Store.create(db, patience=1)
    store.add([VIEW])
    store.close()
    with Store.open(db, patience=1) as other:
        other.forget("u")
    store.add([VIEW])
    assert export(store, "u") == [VIEW]
    store.close()


def test_closing_while_another_holds_the_store_is_no_error(db):
    """Everything is stored by then; the WAL is the other's to empty."""
    store = Store.create(db, patience=0.05)
    store.add([VIEW])
    with StoreLock(db, patience=1).held():
        store.close()
    with Store.open(db, patience=1) as again:
        assert export(again, "u") == [VIEW]


def test_a_copy_that_lost_wal_mode_gets_it_back(store, db):
    """VACUUM INTO, with which one may make a backup, makes such copies."""
    store.add([VIEW])
    copy = db.with_name("copy.db")
    with closing(sqlite3.connect(db)) as connection:
        connection.execute(f"VACUUM INTO '{copy}'")
    with Store.open(copy, patience=1) as copied:
        assert copied.add([VIEW, PageView("v", AS_OF, "/")]) == 1
        assert copied._writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize("_round", range(10))
def test_many_makers_of_one_store_make_one(db, _round):
    """The first makes it, the others find it, also while it is being made."""
    stores, errors = [], []
    start = threading.Barrier(8)

    def make():
        start.wait()
        try:
            stores.append(Store.create(db, patience=10))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert [store.add([VIEW]) for store in stores] == [1] + [0] * 7
    for store in stores:
        store.close()


def test_readers_in_threads_see_whole_batches(store):
    """Whatever is written meanwhile, a summary is of one moment."""
    wanted = window(AS_OF + 1000)
    store.add([VIEW])
    stop = threading.Event()
    seen = set()

    def read():
        while not stop.is_set():
            seen.add(store.summary("u", wanted).views % 10)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for start in range(1, 500, 10):
        store.add([PageView("u", AS_OF + start + number, "/") for number in range(10)])
    stop.set()
    for reader in readers:
        reader.join()
    assert seen == {1}


def test_a_forgotten_user_does_not_live_on_in_another_stores_memory(db):
    """Two stores on one file, each with its own memory of keys."""
    with Store.create(db, patience=10) as one, Store.open(db, patience=10) as other:
        one.add([VIEW])
        other.add([VIEW])
        other.forget("u")
        newcomer = PageView("newcomer", AS_OF, "/")
        other.add([newcomer])
        one.add([PageView("u", AS_OF + 5, "/")])
        assert export(other, "u") == [PageView("u", AS_OF + 5, "/")]
        assert export(one, "newcomer") == [newcomer]

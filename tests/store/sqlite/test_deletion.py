"""Erasing in short steps: writes in between, interrupted erasures, and the size of a step."""

import sqlite3
import threading
from contextlib import closing, contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from behavstats.clock import system_clock
from behavstats.errors import StoreBusy, UnknownUser
from behavstats.model.page_view import PageView
from behavstats.model.profile import window
from behavstats.store import Receipt, create_store, open_store
from behavstats.store.sqlite import deletion
from behavstats.store.sqlite.database import Database
from behavstats.store.sqlite.store import SqliteStore
from tests.conftest import files_of
from tests.store.sqlite.conftest import few_are_many
from tests.support.histories import AS_OF, USERS
from tests.support.stores import columns, export

SECRET = "8f14e45f-ceea"
ROWS = 3


class Cut(BaseException):
    """Stands for a signal that ends the process."""


@pytest.fixture
def small_steps(monkeypatch):
    """A transaction deletes three rows, or erases three names, or looks at three page views."""
    monkeypatch.setattr(deletion, "_ROWS_AT_ONCE", ROWS)
    monkeypatch.setattr(deletion, "_NAMES_AT_ONCE", ROWS)
    monkeypatch.setattr(deletion, "_LOOKED_AT_ONCE", ROWS)


def between_steps(monkeypatch, act):
    """Call `act` after each transaction of an erasure, when the lock is free."""
    writing = Database.writing
    step = 0

    @contextmanager
    def counted(store):
        nonlocal step
        with writing(store) as connection:
            yield connection
        step += 1
        act(step)

    monkeypatch.setattr(Database, "writing", counted)


def cut_after(monkeypatch, steps):
    """End an erasure after a number of transactions."""

    def act(step):
        if step == steps:
            raise Cut

    between_steps(monkeypatch, act)


def a_heavy_user(store, views=10, user=SECRET):
    store.add([PageView(user, AS_OF + n, f"/{user}/{n}") for n in range(views)])


def names(db):
    with closing(sqlite3.connect(db)) as connection:
        rows = connection.execute("SELECT name FROM page WHERE name IS NOT NULL")
        return {name for (name,) in rows}


def is_in_a_file(db, text):
    return any(text.encode() in content for content in files_of(db).values())


def test_no_transaction_of_an_erasure_holds_more_than_so_many_rows(store, db, monkeypatch):
    """However many rows there are, other writers can acquire the lock in between."""
    views = 2_500
    a_heavy_user(store, views)
    store.refresh_rollups()
    changes, total = [], store.database.writer.total_changes

    def act(_):
        nonlocal total
        with open_store(db, lock_timeout=10) as other:  # for this, the lock is free
            other.check_writable()
        changes.append(store.database.writer.total_changes - total)
        total = store.database.writer.total_changes

    between_steps(monkeypatch, act)
    assert store.forget(SECRET) == Receipt(SECRET, views, views, 0)
    # A page view that is deleted makes its page a candidate; each transaction counts what it did,
    # and the first one of a log advances the state of the store.
    assert max(changes) <= 2 * deletion._ROWS_AT_ONCE + 2
    assert len(changes) > views / deletion._ROWS_AT_ONCE


@pytest.mark.usefixtures("small_steps")
def test_others_post_between_the_steps_of_an_erasure(store, db, monkeypatch):
    """Names of pages that the user viewed, and others view now, stay; the user stays unknown."""
    a_heavy_user(store)
    posted = []

    def act(step):
        with pytest.raises(UnknownUser):
            store.summary(SECRET, window(AS_OF))
        with open_store(db, lock_timeout=10) as other:
            for poster in (store, other):
                view = PageView("other", AS_OF + len(posted), f"/{SECRET}/{step % 10}")
                if view.name in names(db):
                    poster.add([view])
                    posted.append(view)

    between_steps(monkeypatch, act)
    receipt = store.forget(SECRET)
    monkeypatch.undo()
    kept = {view.name for view in posted}
    assert receipt == Receipt(SECRET, 10, 10 - len(kept), 0)
    assert 0 < len(kept) < 10
    assert names(db) == kept
    assert export(store, "other") == posted
    assert list(store.check()) == []


@pytest.mark.usefixtures("small_steps")
def test_a_user_who_comes_back_during_the_erasure_is_a_new_one(store, monkeypatch):
    """Page views that are posted after the first step stay."""
    a_heavy_user(store)
    after = PageView(SECRET, AS_OF + 99, "/after")
    between_steps(monkeypatch, lambda step: step == 2 and store.add([after]))
    assert store.forget(SECRET) == Receipt(SECRET, 10, 10, 0)
    monkeypatch.undo()
    assert export(store, SECRET) == [after]
    assert store.forget(SECRET) == Receipt(SECRET, 1, 1, 0)


@pytest.mark.usefixtures("small_steps")
def test_two_users_who_are_erased_at_once_leave_no_name_that_only_they_viewed(
    store, db, monkeypatch
):
    """Each erasure sees page views of the other user, which are deleted later."""
    shared = [PageView(user, AS_OF + n, f"/{n}") for user in ("a", "b") for n in range(8)]
    store.add([*shared, PageView("c", AS_OF, "/0")])
    receipts = []

    def act(step):
        if step == 2:
            with open_store(db, lock_timeout=10) as other:
                receipts.append(other.forget("b"))

    between_steps(monkeypatch, act)
    receipts.append(store.forget("a"))
    monkeypatch.undo()
    assert sum(receipt.page_names for receipt in receipts) == 7
    assert names(db) == {"/0"}
    assert list(store.check()) == []


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("steps", [1, 2, 4, 5, 6, 8, 9, 10])
def test_an_erasure_that_was_cut_off_is_finished_when_it_is_asked_for_again(
    store, db, monkeypatch, steps
):
    """Another process may finish it; the receipt counts everything. `check` finds no damage."""
    a_heavy_user(store)
    store.add([PageView("other", AS_OF, f"/{SECRET}/3")])
    with monkeypatch.context() as cutting:
        cut_after(cutting, steps)
        with pytest.raises(Cut):
            store.forget(SECRET)
    with open_store(db, lock_timeout=10) as other:
        with pytest.raises(UnknownUser):
            other.summary(SECRET, window(AS_OF))
        assert list(other.check()) == []
        assert other.forget(SECRET) == Receipt(SECRET, 10, 9, 0)
        with pytest.raises(UnknownUser):
            other.forget(SECRET)
        assert names(db) == {f"/{SECRET}/3"}
        assert list(other.check()) == []


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("finish", [SqliteStore.refresh_rollups, lambda store: [*store.check()]])
def test_an_erasure_that_was_cut_off_is_finished_by_a_refresh_or_a_check(
    store, db, monkeypatch, finish
):
    """It must have made no progress for a minute. Asking again returns the full receipt."""
    a_heavy_user(store)
    with monkeypatch.context() as cutting:
        cut_after(cutting, 2)
        with pytest.raises(Cut):
            store.forget(SECRET)
    finish(store)
    assert store.counts()[0] == 7
    later = system_clock() + deletion._ABANDONED + 1_000
    with open_store(db, lock_timeout=10, clock=lambda: later) as later_store:
        finish(later_store)
    assert store.counts()[0] == 0
    assert names(db) == set()
    assert store.forget(SECRET) == Receipt(SECRET, 10, 10, 0)
    assert not is_in_a_file(db, SECRET)


def test_the_lock_is_free_while_an_erasure_waits_for_a_reader(store, db, monkeypatch):
    """Other clients post meanwhile, until the reader has gone."""
    a_heavy_user(store)
    monkeypatch.setattr("behavstats.store.sqlite.wal.READERS_TIMEOUT", 60)
    receipts = []
    with closing(sqlite3.connect(db, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM page_view").fetchone()
        erasing = threading.Thread(target=lambda: receipts.append(store.forget(SECRET)))
        erasing.start()
        with open_store(db, lock_timeout=60) as other:
            for number in range(30):
                other.add([PageView("other", AS_OF + number, "/")])
        assert receipts == []
    erasing.join(timeout=60)
    assert receipts == [Receipt(SECRET, 10, 10, 0)]
    assert not is_in_a_file(db, SECRET)


def test_a_receipt_that_could_not_be_given_is_given_when_asked_again(store, db, monkeypatch):
    """A reader blocked the checkpoint, so bytes were left in the WAL."""
    a_heavy_user(store)
    monkeypatch.setattr("behavstats.store.sqlite.wal.READERS_TIMEOUT", 0.05)
    with closing(sqlite3.connect(db, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM page_view").fetchone()
        with pytest.raises(StoreBusy):
            store.forget(SECRET)
    assert store.forget(SECRET) == Receipt(SECRET, 10, 10, 0)
    assert not is_in_a_file(db, SECRET)


steps = st.lists(
    st.tuples(
        st.sampled_from(["add", "load", "forget"]),
        st.lists(
            st.builds(
                PageView,
                st.sampled_from(USERS),
                st.integers(AS_OF, AS_OF + 9),
                st.sampled_from(["/a", "/b", "/c"]),
            ),
            max_size=8,
        ),
        st.sampled_from(USERS),
        st.integers(1, 9),
    ),
    max_size=8,
)


@settings(max_examples=60)
@given(steps)
def test_names_are_erased_with_their_last_viewer_whatever_happens_between_the_steps(
    tmp_path_factory, steps
):
    """There are posts and loads in between, and erasures that are finished later."""
    path = tmp_path_factory.mktemp("s") / "store.db"
    with create_store(path, lock_timeout=10) as store, create_store(path, lock_timeout=10) as other:
        for what, views, user, at in steps:
            with pytest.MonkeyPatch.context() as patched:
                few_are_many(patched)
                for limit in ("_ROWS_AT_ONCE", "_NAMES_AT_ONCE", "_LOOKED_AT_ONCE"):
                    patched.setattr(deletion, limit, 2)
                if what == "add":
                    store.add(views)
                elif what == "load":
                    for _ in store.load(columns(views)):
                        pass
                else:
                    with patched.context() as interrupted:
                        interrupt(interrupted, lambda views=views: other.add(views), at)
                        forget(store, user)
                store.refresh_rollups()
        for user in USERS:
            if is_being_erased(store, user):
                forget(store, user)
        views = {view for user in USERS for view in export(store, user) or ()}
        assert names(path) == {view.name for view in views}
        assert list(store.check()) == []


def interrupt(patched, act, at):
    """Do something between two steps of an erasure, and sometimes end it after that."""

    def once(step):
        if step == at:
            act()
            if at % 2:
                raise Cut

    between_steps(patched, once)


def forget(store, user):
    try:
        store.forget(user)
    except (UnknownUser, Cut):
        return False
    return True


def is_being_erased(store, user):
    with store.database.reading() as connection:
        digest = connection.hasher.digest(user)
        asked = "SELECT 1 FROM erasure WHERE digest = ?"
        return connection.execute(asked, (digest,)).fetchone() is not None

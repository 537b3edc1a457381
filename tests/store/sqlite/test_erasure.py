"""Erasure: no byte of a forgotten user is left in any file of the store."""

import json
import random
import sqlite3
from contextlib import closing, suppress

import pytest

from behavstats.errors import StoreBusy, UnknownUser
from behavstats.model.page_view import PageView
from behavstats.model.profile import window
from behavstats.store import Receipt, create_store, open_store
from tests.conftest import files_of
from tests.store.conformance.test_forget import SECRET, rejection
from tests.support.histories import AS_OF
from tests.support.stores import rejections_of


def found_in(db, *texts):
    return [
        (name, text)
        for name, content in files_of(db).items()
        for text in texts
        if text.encode() in content
    ]


@pytest.mark.parametrize("large", [100_000, 10_000_000])
def test_nothing_is_left_in_the_log_however_it_was_overwritten(store, db, monkeypatch, large):
    """Neither in its valid part nor after it."""
    monkeypatch.setattr("behavstats.store.sqlite.database._LARGE_WAL", large)
    for number in range(200):
        store.add([PageView(f"{number:03}-{SECRET}", AS_OF, "/"), PageView(SECRET, number, "/")])
    assert found_in(db, SECRET)
    for number in range(200):
        store.forget(f"{number:03}-{SECRET}")
        assert found_in(db, f"{number:03}-{SECRET}") == []
    store.forget(SECRET)
    assert found_in(db, SECRET) == []


@pytest.mark.parametrize("seed", range(3))
def test_no_byte_of_a_forgotten_user_is_left_however_the_store_grew(db, seed, monkeypatch):
    """Thousands of users in random order and batches, dozens of them forgotten in between.

    The log is written over again and again, so that there is always something older behind it.
    SQLite moves cells from page to page as its trees grow and shrink; copies of them stay in
    unused space, also with secure_delete. None of a forgotten user may.
    """
    monkeypatch.setattr("behavstats.store.sqlite.database._LARGE_WAL_OF_MANY", 400_000)
    rng = random.Random(seed)
    users = [f"{rng.getrandbits(64):016x}" for _ in range(5_000)]
    victims = rng.sample(users, 80)
    with create_store(db, lock_timeout=10) as store:
        for start in range(0, len(users), size := rng.choice([300, 800, 2000])):
            some = users[start : start + size]
            rng.shuffle(some)
            store.add(
                [PageView(user, AS_OF + rng.randrange(1000), f"/of/{user}") for user in some],
                [rejection(f"<{user}> {'.' * rng.randrange(900)}".encode()) for user in some[:99]],
            )
            for victim in victims:
                if victim in some and rng.random() < 0.5:
                    store.forget(victim)
        for victim in victims:
            with suppress(UnknownUser):
                store.forget(victim)
        assert found_in(db, *victims) == []
        assert len(found_in(db, *users[:100])) > 0
    assert found_in(db, *victims) == []


@pytest.mark.parametrize(
    "text",
    [
        SECRET.encode(),
        f'{{"user_id": "{SECRET}", "name": 7}}'.encode(),
        b"\xff\xfe " + SECRET.encode() + b" \xff",
        f"user={SECRET}&page=/".encode(),
        json.dumps({"user_id": SECRET}).replace("8", "\\u0038").encode(),
    ],
)
def test_rejected_lines_that_mention_the_user_in_any_way_are_erased(store, db, text):
    """They may be broken, have bytes that are not text, or be escaped."""
    store.add([PageView(SECRET, AS_OF, "/")], [rejection(text), rejection(b"innocent", line=2)])
    assert store.forget(SECRET) == Receipt(SECRET, 1, 1, 1)
    assert [bad.text for bad in rejections_of(store)] == [b"innocent"]
    assert found_in(db, SECRET, text.decode(errors="replace")) == []


def test_a_file_name_that_mentions_the_user_is_erased_and_its_lines_stay(store, db):
    """Some senders write a file for each user."""
    store.add([PageView(SECRET, AS_OF, "/")], [rejection(b"{", source=f"/of/{SECRET}.jsonl")])
    assert store.forget(SECRET).rejected_lines == 0
    assert list(rejections_of(store)) == [rejection(b"{", source="")]
    assert found_in(db, SECRET) == []


def test_long_ids_names_and_lines_are_overwritten_too(store, db):
    """They have pages of their own in the file."""
    user_id, name, text = SECRET * 39, "/" + SECRET * 150, (SECRET * 50_000).encode()
    store.add([PageView(user_id, AS_OF, name)], [rejection(user_id.encode() + b" " + text)])
    assert store.forget(user_id) == Receipt(user_id, 1, 1, 1)
    assert found_in(db, SECRET) == []


def test_a_name_that_others_viewed_stays(store, db):
    """The name belongs to the other viewers as well."""
    store.add([PageView(SECRET, AS_OF, "/shared"), PageView("other", AS_OF, "/shared")])
    assert store.forget(SECRET).page_names == 0
    assert found_in(db, "/shared") != []


@pytest.mark.parametrize("by_asking", [True, False])
def test_a_reader_in_the_way_is_reported(store, db, monkeypatch, by_asking):
    """The user is gone at once, the bytes in the WAL after the next write without the reader."""
    store.add([PageView(SECRET, AS_OF, "/"), PageView("other", AS_OF, "/")])
    with closing(sqlite3.connect(db, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM page_view").fetchone()
        monkeypatch.setattr("behavstats.store.sqlite.wal.READERS_TIMEOUT", 0.05)
        with pytest.raises(StoreBusy, match=r"1 page views were deleted.*try again") as busy:
            store.forget(SECRET)
        assert SECRET not in str(busy.value)  # which the server logs
        with pytest.raises(UnknownUser):
            store.summary(SECRET, window(AS_OF))
        assert found_in(db, SECRET) != []
        with pytest.raises(UnknownUser):  # not StoreBusy, although a reader is in the way
            store.forget("nobody")
    if by_asking:
        assert store.forget(SECRET) == Receipt(SECRET, 1, 0, 0)
    else:
        with open_store(db, lock_timeout=1) as another_process:
            another_process.add([PageView("other", AS_OF + 1, "/")])
            assert found_in(db, SECRET) == []
    assert found_in(db, SECRET) == []

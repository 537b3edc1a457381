"""Erasure: what is forgotten is in no byte of any file of the store."""

import json
import random
import sqlite3
from contextlib import closing, suppress

import pytest

from behavstats.errors import StoreBusy, UnknownUser
from behavstats.events import PageView, Rejection
from behavstats.profile import window
from behavstats.store import Receipt, Store
from tests.conftest import files_of
from tests.histories import AS_OF

SECRET = "8f14e45f-ceea"


def rejection(text, line=1, source="events.jsonl"):
    return Rejection(source, line, 0, len(text), "invalid_json", "broken", text)


def found_in(db, *texts):
    return [
        (name, text)
        for name, content in files_of(db).items()
        for text in texts
        if text.encode() in content
    ]


def test_a_receipt_counts_what_was_erased(store):
    """Page views, names that nobody else viewed, rejected lines that name the user."""
    store.add(
        [
            PageView(SECRET, AS_OF, "/"),
            PageView(SECRET, AS_OF + 1, "/"),
            PageView(SECRET, AS_OF, f"/settings/{SECRET}"),
            PageView("other", AS_OF, "/"),
        ],
        [rejection(f'{{"user_id": "{SECRET}"'.encode()), rejection(b'{"user_id": "other"')],
    )
    assert store.forget(SECRET) == Receipt(SECRET, page_views=3, page_names=1, rejected_lines=1)
    with pytest.raises(UnknownUser):
        store.summary(SECRET, window(AS_OF))
    with pytest.raises(UnknownUser):
        store.forget(SECRET)
    assert store.summary("other", window(AS_OF)).views == 1
    assert [bad.text for bad in store.rejections()] == [b'{"user_id": "other"']


@pytest.mark.parametrize("seed", range(3))
def test_no_byte_of_a_forgotten_user_is_left_however_the_store_grew(db, seed):
    """Thousands of users in random order and batches, dozens of them forgotten in between.

    SQLite moves cells from page to page as its trees grow and shrink; copies of them stay in
    unused space, also with secure_delete. None of a forgotten user may.
    """
    rng = random.Random(seed)
    users = [f"{rng.getrandbits(64):016x}" for _ in range(5_000)]
    victims = rng.sample(users, 80)
    with Store.create(db, patience=10) as store:
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
def test_rejected_lines_that_name_the_user_go_however_they_do(store, db, text):
    """Broken, with bytes that are no text, or escaped; a user of rejected lines alone, too."""
    store.add([PageView("other", AS_OF, "/")], [rejection(text), rejection(b"innocent", line=2)])
    assert store.forget(SECRET) == Receipt(SECRET, 0, 0, 1)
    assert [bad.text for bad in store.rejections()] == [b"innocent"]
    assert found_in(db, SECRET, text.decode(errors="replace")) == []


def test_rejected_lines_of_a_source_that_names_the_user_go_too(store, db):
    """A file for each user is not unheard of."""
    store.add([], [rejection(b"{", source=f"/exports/{SECRET}.jsonl")])
    assert store.forget(SECRET).rejected_lines == 1
    assert found_in(db, SECRET) == []


def test_long_ids_names_and_lines_are_overwritten_too(store, db):
    """They lie on pages of their own in the file."""
    user_id, name, text = SECRET * 39, "/" + SECRET * 150, (SECRET * 50_000).encode()
    store.add([PageView(user_id, AS_OF, name)], [rejection(user_id.encode() + b" " + text)])
    assert store.forget(user_id) == Receipt(user_id, 1, 1, 1)
    assert found_in(db, SECRET) == []


def test_a_name_that_others_viewed_stays(store, db):
    """It is theirs as well."""
    store.add([PageView(SECRET, AS_OF, "/shared"), PageView("other", AS_OF, "/shared")])
    assert store.forget(SECRET).page_names == 0
    assert found_in(db, "/shared") != []


def test_a_reader_in_the_way_is_reported_and_asking_again_finishes(store, db):
    """The user is gone at once; the bytes in the WAL, when the reader is."""
    store.add([PageView(SECRET, AS_OF, "/"), PageView("other", AS_OF, "/")])
    with closing(sqlite3.connect(db, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM page_view").fetchone()
        store._writer.execute("PRAGMA busy_timeout = 50")
        with pytest.raises(StoreBusy, match="ask again"):
            store.forget(SECRET)
        with pytest.raises(UnknownUser):
            store.summary(SECRET, window(AS_OF))
        assert found_in(db, SECRET) != []
    with pytest.raises(UnknownUser):
        store.forget(SECRET)
    assert found_in(db, SECRET) == []

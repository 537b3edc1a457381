"""Rejected lines beyond the bounds are dropped and counted, and no byte of them is left."""

import random
import sqlite3
from contextlib import closing

import pytest

from behavstats.model.page_view import Rejection
from behavstats.model.retention import Bounds
from behavstats.store import Selection, create_store
from tests.conftest import files_of
from tests.support.histories import AS_OF
from tests.support.stores import VIEW

ROOMY = Bounds(1 << 40, 1 << 50, 1 << 50)
FILES, ALICE, BOB = 0, 12, 13


def lines(count, sender=FILES, size=3, start=0, arrived=AS_OF):
    return [
        Rejection(f"of {sender}", start + number, 0, size, "r", "m", b"x" * size, arrived, sender)
        for number in range(count)
    ]


def opened(db, **bounds):
    return create_store(db, 10, bounds=ROOMY._replace(**bounds))


def kept(store):
    """The numbers of the lines that are kept, by sender."""
    found = {}
    query = "SELECT sender, line FROM rejected_line WHERE text IS NOT NULL ORDER BY id"
    with closing(sqlite3.connect(store.path)) as connection:
        for sender, line in connection.execute(query):
            found.setdefault(sender, []).append(line)
    return found


def rows(db):
    with closing(sqlite3.connect(db)) as connection:
        return connection.execute("SELECT count(*) FROM rejected_line").fetchone()[0]


def trim(store, now=AS_OF):
    while store.rejected.trim(now, seconds=60):
        pass


def test_the_oldest_lines_are_dropped_if_there_are_too_many(db):
    """They are counted, with their bytes, from when the first was kept."""
    with opened(db, lines=10) as store:
        store.add([VIEW], lines(25, arrived=AS_OF + 5))
        store.add([], lines(3, start=25))
        assert kept(store) == {FILES: [*range(18, 28)]}
        assert store.rejected.totals() == (10, 30, 18, 54, AS_OF + 5)
        assert store.counts()[0] == 1


def test_the_oldest_lines_are_dropped_if_they_hold_too_many_bytes(db):
    """This holds however few lines there are."""
    with opened(db, bytes=1_000_000) as store:
        store.add([], lines(30, size=100_000))
        store.add([], lines(1, size=950_000, start=30))
        assert kept(store) == {FILES: [30]}


def test_lines_are_dropped_when_they_are_too_old(db):
    """This does not need new lines to come; lines without a time of arrival are dropped as well."""
    with opened(db, age=1_000) as store:
        store.add(
            [], lines(3) + lines(1, start=3, arrived=None) + lines(2, start=4, arrived=AS_OF + 1)
        )
        trim(store, AS_OF + 1_000)
        assert kept(store) == {FILES: [*range(6)]}
        trim(store, AS_OF + 1_001)
        assert kept(store) == {FILES: [3, 4, 5]}
        trim(store, AS_OF + 2_000)
        assert kept(store) == {}
        assert store.rejected.totals().dropped_lines == 6


def test_a_sender_over_http_may_hold_a_quarter(db):
    """Files may hold all."""
    with opened(db, lines=40) as store:
        store.add([], lines(20, ALICE) + lines(12, BOB))
        assert kept(store) == {ALICE: [*range(10, 20)], BOB: [*range(2, 12)]}
    with opened(db.with_name("other"), lines=40) as store:
        store.add([], lines(40))
        assert len(kept(store)[FILES]) == 40


def test_one_sender_cannot_push_out_what_others_sent(db):
    """The sender that holds most loses lines first."""
    with opened(db, lines=100, bytes=100_000) as store:
        store.add([], lines(10, BOB))
        for start in range(0, 500, 50):
            store.add([], lines(50, ALICE, start=start))
            store.add([], lines(50, FILES, start=start, size=1_000))
        assert kept(store)[BOB] == [*range(10)]
        assert len(kept(store)[ALICE]) == 25
        assert 60 <= len(kept(store)[FILES]) <= 65


def test_one_line_that_is_over_the_bounds_is_not_kept(db):
    """It costs only lines of its own sender."""
    with opened(db, bytes=1_000) as store:
        store.add([], lines(3, BOB))
        store.add([], lines(1, ALICE, size=5_000))
        assert kept(store) == {BOB: [0, 1, 2]}


def test_of_many_rejected_lines_page_views_are_stored_first_and_all_is_kept(db, monkeypatch):
    """This takes several transactions, since other writers wait meanwhile."""
    monkeypatch.setattr("behavstats.store.base._MOST_LINES", 7)
    monkeypatch.setattr("behavstats.store.base._MOST_BYTES", 500)
    held = []
    with opened(db) as store:
        insert = store.rejected.insert
        monkeypatch.setattr(
            store.rejected, "insert", lambda c, piece: held.append(piece) or insert(c, piece)
        )
        many = lines(30) + lines(30, size=100, start=30)
        assert store.add([VIEW], many) == 1
        assert kept(store) == {FILES: [*range(60)]}
    assert max(map(len, held)) == 7
    assert max(sum(len(line.text) for line in piece) for piece in held) <= 500
    assert [line for piece in held for line in piece] == many


def test_a_store_that_holds_far_too_much_comes_within_its_bounds_in_short_steps(db):
    """A store of an older version may hold too much, or a store whose bounds were lowered."""
    with opened(db) as store:
        for start in range(0, 6_000, 1_000):
            store.add([], lines(1_000, start=start, size=300))
    with opened(db, lines=100) as store:
        before = store.rejected.totals().lines
        store.add([], lines(10, start=6_000))
        after = store.rejected.totals().lines
        assert before - 3_000 <= after < before  # each step is short, and makes progress
        while store.rejected.trim(AS_OF, seconds=0):
            assert store.rejected.totals().lines < after or after == 100
            after = store.rejected.totals().lines
        assert len(kept(store)[FILES]) == 100
        assert rows(db) < 100 + 3 * 2048


def test_lines_that_an_older_version_kept_are_counted(db):
    """So they can be evicted like other lines."""
    with opened(db) as store:
        store.add([], lines(7, arrived=None))
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute("DROP TABLE reject_sender")
        from behavstats.store.sqlite import schema

        for statement in schema._REJECTS[-2:]:
            connection.execute(statement)
    with opened(db, lines=5) as store:
        trim(store)
        assert kept(store) == {FILES: [2, 3, 4, 5, 6]}


def test_rows_are_not_deleted_so_near_to_a_line_that_a_copy_of_it_is_left(db):
    """A line here and there among many of another sender, which go, and whose rows are deleted."""
    rng = random.Random(1)
    with opened(db, lines=4 * 900) as store:
        for number in range(60):
            text = f"<{number}-name>".encode() * rng.randint(1, 60)
            store.add([], [lines(1, BOB, start=number)[0]._replace(text=text)])
            store.add([], lines(900, ALICE, start=1_000 * number, size=rng.randint(1, 30)))
            trim(store)
        assert len(kept(store)[BOB]) == 60
        assert rows(db) < 60 * 900
        store.rejected.erase([line for line, of in store.rejected.read(Selection(source="of 13"))])
        store.rejected.clear(up_to=0)  # with the log
        everything = b"".join(files_of(db).values())
        assert not any(is_in(everything, line) for line in range(60))


def is_in(everything, line):
    return f"<{line}-name>".encode() in everything


def batch_of(rng, number):
    """Lines of one sender and of some size, each with a text of its own."""
    count, largest = rng.choice([(1_500, 0), (700, 90), (400, 600), (30, 2_500), (3, 90_000)])
    return [
        line._replace(text=f"<{line.line}-name>{'.' * rng.randint(0, largest)}".encode())
        for line in lines(count, rng.choice([FILES, FILES, ALICE, BOB]), start=number)
    ]


@pytest.mark.parametrize("seed", range(3))
def test_no_byte_is_left_of_what_went_or_was_forgotten_however_the_store_grew(db, seed):
    """Lines of many sizes come from several senders, are evicted, and are erased, in any order.

    Rows among blank ones are deleted meanwhile, beside lines that are forgotten later: nothing of a
    line may be left elsewhere by that.
    """
    rng = random.Random(seed)
    number = 0
    with opened(db, lines=rng.choice([300, 2_000]), bytes=2_000_000) as store:
        for _ in range(10):
            batch = batch_of(rng, number)
            number += len(batch)
            store.add([], batch)
            if rng.random() < 0.5:
                trim(store)
                for sender, of in kept(store).items():
                    for line in (of[0], of[-1], rng.choice(of)):
                        store.rejected.erase(store.rejected.find(f"{line}-name")[0])
                        assert line not in kept(store).get(sender, ())
        trim(store)
        store.rejected.clear(up_to=0)  # with the log
        there = {line for of in kept(store).values() for line in of}
        everything = b"".join(files_of(db).values())
        assert [line for line in range(number) if is_in(everything, line)] == sorted(there)
        assert rows(db) < len(there) + number
        assert list(store.check()) == []

"""The faults that `check` finds in a store that was tampered with, and `repair`."""

import sqlite3
from contextlib import closing, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from behavstats.errors import UnknownUser
from behavstats.model.page_view import PageView
from behavstats.model.profile import window
from behavstats.model.timestamps import DAY, HOUR, MINUTE
from behavstats.store import create_store, open_store
from behavstats.store.sqlite.store import SqliteStore
from tests.store.sqlite.conftest import few_are_many
from tests.support.histories import AS_OF, USERS, histories
from tests.support.stores import export, load

TODAY = AS_OF - AS_OF % DAY
VIEWS = [
    *(PageView("busy", TODAY + n * MINUTE, f"/{n % 3}") for n in range(5)),
    *(PageView("busy", TODAY + 5 * HOUR + n * MINUTE, "/") for n in range(4)),
    PageView("light", TODAY, "/light"),
]


@pytest.fixture(autouse=True)
def _few_are_many(monkeypatch):
    few_are_many(monkeypatch)


@pytest.fixture
def sound(store):
    """A store in which a day and two hours of a user have rollups."""
    store.add(VIEWS)
    store.refresh_rollups()
    assert store.counts() == (10, 3)
    return store


def tamper(store, *statements):
    with closing(sqlite3.connect(store.path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def rollups_of(store):
    with closing(sqlite3.connect(store.path)) as connection:
        return connection.execute("SELECT * FROM summary ORDER BY user, span, start").fetchall()


def test_a_new_store_is_sound(sound):
    """So is an empty one, and one with stale days."""
    assert list(sound.check()) == []
    sound.add([PageView("busy", TODAY + 7, "/"), *VIEWS])
    assert list(sound.check()) == []
    with create_store(sound.path.with_name("empty.db"), lock_timeout=1) as empty:
        assert list(empty.check()) == []


OF_THE_HOUR = f"WHERE span = {HOUR} AND start = {TODAY}"
HOUR_SHOWN = "summary of user 1, hour of 2024-03-01T00:00:00.000Z: "


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("views = views + 1", "views is 6, not 5"),
        ("views = 0", "views is 0, not 5"),
        ("views = 'many'", "views is 'many', not 5"),
        ("time = time - 1", f"time is {4 * MINUTE - 1}, not {4 * MINUTE}"),
        ("visits = 2", "visits is 2, not 1"),
        (f"first = {TODAY + 1}", f"first is {TODAY + 1}, not {TODAY}"),
        ("last = 0", f"last is 0, not {TODAY + 4 * MINUTE}"),
        ("pages = zeroblob(48)", "pages has wrong tallies"),
        ("pages = zeroblob(47)", "pages is not 48 bytes long"),
        ("pages = 'text'", "pages is not 48 bytes long"),
        ("views = 6, visits = 2", "views is 6, not 5; visits is 2, not 1"),
    ],
)
def test_a_rollup_that_differs_from_its_page_views_is_found(sound, change, said):
    """This holds for each column; the fault is one line."""
    tamper(sound, f"UPDATE summary SET {change} {OF_THE_HOUR}")
    assert list(sound.check()) == [HOUR_SHOWN + said]


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        (f"DELETE FROM page_view WHERE ts = {TODAY} AND user = 1", 2),
        (f"INSERT INTO page_view VALUES (1, {TODAY + 1}, 1)", 2),
        ("UPDATE page_view SET page = 4 WHERE user = 1 AND page = 1", 2),
        (f"UPDATE page_view SET ts = ts + {HOUR} WHERE user = 1", 3),
        ("DELETE FROM page_view WHERE user = 1", 3),
    ],
)
def test_page_views_changed_behind_their_rollups_are_found(sound, statement, found):
    """They are found in the hour and in the day."""
    tamper(sound, statement)
    assert len(list(sound.check())) == found


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE summary SET start = start + 1 {OF_THE_HOUR}",
        f"UPDATE summary SET start = -start {OF_THE_HOUR}",
        f"UPDATE summary SET start = 'then' {OF_THE_HOUR}",
        f"UPDATE summary SET start = {1 << 60} * 3600000 {OF_THE_HOUR}",
        f"UPDATE summary SET span = {MINUTE} {OF_THE_HOUR}",
    ],
)
def test_a_rollup_of_neither_an_hour_nor_a_day_is_found(sound, statement):
    """This holds for any start and length."""
    tamper(sound, statement)
    (difference,) = sound.check()
    assert difference.endswith("is not of an hour or a day")


def test_a_rollup_without_page_views_is_found(sound):
    """It may be of another day, or of a user without page views in it."""
    tamper(
        sound,
        f"UPDATE summary SET start = start + {DAY} {OF_THE_HOUR}",
        f"UPDATE summary SET user = 2, start = start - {DAY} WHERE span = {DAY}",
    )
    assert list(sound.check()) == [
        "summary of user 1, hour of 2024-03-02T00:00:00.000Z: has no page views",
        "summary of user 2, day of 2024-02-29T00:00:00.000Z: has no page views",
    ]


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        (
            "INSERT INTO page_view VALUES (77, 0, 1)",
            "page_view: rows that refer to a missing user: 1",
        ),
        (
            f"INSERT INTO page_view VALUES (2, {TODAY + 1}, 77), (2, {TODAY + 2}, 77)",
            "page_view: rows that refer to a missing page: 2",
        ),
        (
            "INSERT INTO unsettled_day VALUES (77, 0)",
            "unsettled_day: rows that refer to a missing user: 1",
        ),
        (
            "UPDATE user SET user_id = NULL, hash = NULL WHERE id = 2",
            "page_view: rows of user 2, who was erased: 1",
        ),
        (
            "UPDATE page SET name = NULL, hash = NULL WHERE name = '/light'",
            "page_view: rows of user 2 with a page that was erased: 1",
        ),
    ],
)
def test_dangling_references_are_found(sound, statement, found):
    """References to a missing or erased user or page are counted."""
    tamper(sound, statement)
    assert list(sound.check()) == [found]


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        (
            "UPDATE user SET hash = hash + 1 WHERE user_id = 'light'",
            ["user: rows with a wrong hash: 1"],
        ),
        (
            "UPDATE page SET hash = NULL WHERE name = '/light'",
            ["page: rows with a wrong hash: 1"],
        ),
        (
            "UPDATE page SET name = x'00' WHERE name = '/light'",
            ["page: rows with a wrong hash: 1"],
        ),
        (
            "INSERT INTO user (user_id, hash) SELECT user_id, hash FROM user",
            ["user: rows with a user_id that another row has: 2"],
        ),
        (
            "UPDATE store SET secret = zeroblob(32)",
            [
                "user: rows with a wrong hash: 2",
                "page: rows with a wrong hash: 5",
            ],
        ),
    ],
)
def test_a_text_with_a_wrong_hash_or_a_second_key_is_found(sound, statement, found):
    """Page views of the text would be missed, or would have two keys."""
    tamper(sound, statement)
    with open_store(sound.path, lock_timeout=1) as tampered:
        assert list(tampered.check()) == found


def test_page_views_that_are_not_integers_are_found(sound):
    """SQLite keeps a fraction where a whole number is expected."""
    tamper(sound, f"INSERT INTO page_view VALUES (1, {TODAY}.5, 1)")
    assert [found.partition(": ")[2] for found in sound.check()] == [
        "cannot be compared: page views hold something other than numbers"
    ] * 2


def flip_a_byte(store, table):
    """Flip the byte that says what kind of page the root of a table or an index is."""
    store.close()
    with closing(sqlite3.connect(store.path)) as connection:
        asked = "SELECT rootpage FROM sqlite_schema WHERE name = ?"
        (root,) = connection.execute(asked, (table,)).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with store.path.open("r+b") as file:
        file.seek((root - 1) * size)
        (byte,) = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte ^ 0xFF]))


@pytest.mark.parametrize("table", ["page_view", "user", "page", "summary", "rejected_line"])
def test_damage_to_the_file_is_found_and_hides_nothing_else(sound, table):
    """SQLite's errors become lines as well."""
    tamper(sound, f"UPDATE summary SET views = 6 {OF_THE_HOUR}")
    flip_a_byte(sound, table)
    with open_store(sound.path, lock_timeout=1) as damaged:
        found = list(damaged.check())
    assert f"damage to the file: table {table}: database disk image is malformed" in found
    assert any(difference.startswith(HOUR_SHOWN) for difference in found)


def test_faults_found_by_sqlite_are_shown_in_its_words(sound):
    """Here, NULL for an erased user in a column that was changed to NOT NULL."""
    tamper(
        sound,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET sql = replace(sql, 'user_id TEXT', 'user_id TEXT NOT NULL') "
        "WHERE name = 'user'",
    )
    sound.forget("light")
    with open_store(sound.path, lock_timeout=1) as damaged:
        assert list(damaged.check()) == ["damage to the file: NULL value in user.user_id"]


def test_a_check_reads_one_snapshot(sound):
    """Whatever is written meanwhile."""
    tamper(sound, "INSERT INTO page_view VALUES (77, 0, 1)")
    differences = sound.check()
    assert next(differences).startswith("page_view")
    tamper(sound, "UPDATE summary SET views = 0")
    assert list(differences) == []
    assert len(list(sound.check())) == 4


def test_an_unfinished_check_releases_the_store(sound):
    """So the WAL can be emptied."""
    tamper(sound, "INSERT INTO page_view VALUES (77, 0, 1)")
    differences = sound.check()
    next(differences)
    differences.close()
    sound.forget("light")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE summary SET views = views + 1, pages = x'00'",
        "UPDATE summary SET start = start + 1",
        "UPDATE summary SET user = 77",
        "INSERT INTO unsettled_day VALUES (77, 0)",
        "DELETE FROM page_view WHERE user = 1 AND ts % 2 = 0",
        "DELETE FROM summary",
    ],
)
def test_repair_computes_derived_data_again(sound, statement):
    """Then the store is sound, and each busy hour and day has its rollup."""
    tamper(sound, statement)
    sound.repair()
    assert list(sound.check()) == []
    repaired = rollups_of(sound)
    sound.add([PageView(v.user_id, v.instant + DAY, v.name) for v in VIEWS])
    sound.refresh_rollups()
    views = [view for user in ("busy", "light") for view in export(sound, user)]
    with create_store(sound.path.with_name("fresh.db"), lock_timeout=1) as fresh:
        fresh.add([view for view in views if view.instant < TODAY + DAY])
        fresh.refresh_rollups()
        assert [row[:-1] for row in rollups_of(fresh)] == [row[:-1] for row in repaired]


def test_repair_leaves_page_views_as_they_are(sound):
    """A page view with a dangling reference stays, so that a person can look at it."""
    tamper(sound, f"INSERT INTO page_view VALUES (77, {TODAY}, 1)")
    before = list(sound.check())
    sound.repair()
    assert list(sound.check()) == before


def test_profiles_are_the_same_while_rollups_are_missing(sound, monkeypatch):
    """After an interrupted repair, they are computed from page views."""
    wanted = window(AS_OF)
    before = sound.summary("busy", wanted)
    monkeypatch.setattr(SqliteStore, "refresh_rollups", lambda _: None)
    sound.repair()
    assert sound.counts() == (10, 0)
    assert list(sound.check()) == []
    assert sound.summary("busy", wanted) == before


def forget(store, user):
    with suppress(UnknownUser):
        store.forget(user)


steps = st.one_of(
    st.tuples(st.just(SqliteStore.add), histories()),
    st.tuples(st.just(load), histories()),
    st.tuples(st.just(forget), st.sampled_from(USERS)),
    st.tuples(st.just(SqliteStore.refresh_rollups), st.just(60)),
)


@settings(max_examples=60)
@given(st.lists(steps, max_size=8), st.booleans())
def test_a_store_is_sound_after_any_history(tmp_path_factory, steps, repaired):
    """Page views in rows or columns, users forgotten, rollups refreshed at any time or never."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        few_are_many(monkeypatch)
        with create_store(tmp_path_factory.mktemp("s") / "store.db", lock_timeout=10) as store:
            for step, argument in steps:
                step(store, argument)
            assert list(store.check()) == []
            store.refresh_rollups()
            refreshed = rollups_of(store)
            assert list(store.check()) == []
            if repaired:
                store.repair()
                assert rollups_of(store) == refreshed
                assert list(store.check()) == []

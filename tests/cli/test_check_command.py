"""`behavstats check`: its output, what it repairs, and its exit codes."""

import sqlite3
from contextlib import closing

import pytest

from behavstats.model.page_view import PageView
from behavstats.model.timestamps import DAY
from behavstats.store import create_store
from tests.cli.conftest import one_line
from tests.support.histories import AS_OF

TODAY = AS_OF - AS_OF % DAY


@pytest.fixture(autouse=True)
def _store(db):
    """Create a store with rollups of one hour and one day."""
    with create_store(db, lock_timeout=10) as store:
        store.add([PageView("busy", TODAY + n, "/") for n in range(2000)])
        store.refresh_rollups()


def tamper(db, statement):
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute(statement)


def test_check_of_a_sound_store_prints_one_line(cli):
    """The exit code is 0, also with --repair, which has nothing to do then."""
    for options in ((), ("--repair",)):
        done = cli("check", *options)
        assert done.returncode == 0
        assert done.stdout == b"the store is sound: 2,000 page views, 2 rollups\n"
        assert done.stderr == b""


def test_check_prints_each_difference(cli, db):
    """Their number is on standard error, and the exit code is 3; nothing is changed."""
    tamper(db, "UPDATE summary SET views = views + 1")
    for _ in range(2):
        done = cli("check")
        assert done.returncode == 3
        assert done.stdout.decode().splitlines() == [
            "summary of user 1, hour of 2024-03-01T00:00:00.000Z: views is 2001, not 2000",
            "summary of user 1, day of 2024-03-01T00:00:00.000Z: views is 2001, not 2000",
        ]
        assert one_line(done).startswith(
            "2 differences found; to rebuild the rollups: behavstats check"
        )


def test_repair_rebuilds_rollups_and_checks_again(cli, db):
    """It prints what was wrong. The exit code is 0 if no difference is left."""
    tamper(db, "UPDATE summary SET views = views + 1")
    done = cli("check", "--repair")
    assert done.returncode == 0
    assert done.stdout.decode().splitlines()[1:] == [
        "summary of user 1, day of 2024-03-01T00:00:00.000Z: views is 2001, not 2000",
        "the rollups were rebuilt; checking again",
        "the store is sound: 2,000 page views, 2 rollups",
    ]
    assert cli("check").returncode == 0


def test_repair_cannot_fix_page_views(cli, db):
    """They are derived from nothing else. The exit code is 3, and standard error says so."""
    tamper(db, "INSERT INTO page_view VALUES (7, 0, 1)")
    done = cli("check", "--repair")
    assert done.returncode == 3
    line = "page_view: rows that refer to a missing user: 1"
    assert done.stdout.decode().splitlines() == [
        line,
        "the rollups were rebuilt; checking again",
        line,
    ]
    assert one_line(done).startswith("1 difference found; a repair cannot fix these")


def test_check_reports_a_damaged_file(cli, db):
    """There is no traceback, whatever SQLite reports."""
    with closing(sqlite3.connect(db)) as connection:
        ((root,),) = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'page_view'"
        ).fetchall()
        ((size,),) = connection.execute("PRAGMA page_size").fetchall()
    with db.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)
    done = cli("check", "--repair")
    assert done.returncode == 3
    assert b"damage to the file: " in done.stdout
    assert b"the rollups could not be rebuilt: the store " in done.stdout
    assert "behavstats restore BACKUP" in one_line(done)


def test_check_prints_only_the_first_differences(cli, db):
    """It also prints how many more there are."""
    rows = ", ".join(f"(1, 60000, {n}, 0, 0, 0, 0, 0, x'')" for n in range(1100))
    tamper(db, f"INSERT INTO summary VALUES {rows}")
    done = cli("check")
    assert len(done.stdout.splitlines()) == 101
    assert done.stdout.endswith(b"\nand 1,000 more\n")
    assert one_line(done).startswith("1,100 differences found; ")


def test_differences_cannot_control_the_terminal(cli, db):
    """Control characters in a row are escaped."""
    tamper(db, "UPDATE summary SET first = char(27) || '[2J' WHERE span = 86400000")
    done = cli("check")
    assert b"\x1b" not in done.stdout
    assert len(done.stdout.splitlines()) == 1


def test_check_and_repair_while_a_server_runs(cli, db, server):
    """The server answers the same before and after, and keeps the rollups right."""
    before = server.get("busy", "?as_of=2024-03-01T10:30:00Z&detail=true")
    tamper(db, "UPDATE summary SET first = 0")
    assert cli("check", "--repair").returncode == 0
    assert server.get("busy", "?as_of=2024-03-01T10:30:00Z&detail=true") == before
    assert server.post("busy", "/", "2024-03-01T00:00:02.042Z") == 200
    assert cli("check").returncode == 0

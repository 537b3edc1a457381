"""Operators change a store's files under a running server: nothing acknowledged is lost.

A page view that was acknowledged before the act may be in a file that was removed or replaced; one
that was acknowledged after it is in the file at the path.
"""

import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from behavstats.model.page_view import PageView
from behavstats.model.timestamps import format_instant
from behavstats.store import create_store, open_store
from tests.faults.load import Load
from tests.faults.promise import Ledger, keeps_its_promise, stored
from tests.faults.waiting import wait_until
from tests.support.histories import AS_OF, line

OLD = PageView("old", AS_OF, "/old")


@pytest.fixture
def backup(db, tmp_path):
    """A backup of the store, with one page view in it."""
    backup = tmp_path / "backups" / "monday.db"
    backup.parent.mkdir()
    with create_store(db, lock_timeout=10) as store:
        store.add([OLD])
        store.back_up(backup, force=False)
    return backup


def readiness(server):
    status, _, body = server.request("GET", "/readyz")
    return status, body.get("message", "")


def post(server, number):
    body = {"user_id": "u", "name": f"/{number}", "timestamp": format_instant(AS_OF)}
    status, _, answer = server.request("POST", "/v1/page", json.dumps(body).encode())
    return status, answer.get("message", "")


def remove(db, _):
    db.unlink()


def remove_all(db, _):
    for suffix in ("", "-wal", "-shm"):
        os.unlink(f"{db}{suffix}")


def move_away(db, _):
    db.rename(db.with_name("moved.db"))


def move_another_over(db, backup):
    shutil.copy(backup, db.with_name("other.db"))
    os.replace(db.with_name("other.db"), db)


def copy_over(db, backup):
    shutil.copy(backup, db)


STOPPING = {
    remove: "moved or removed",
    remove_all: "moved or removed",
    move_away: "moved or removed",
    move_another_over: "belongs to another file",
    copy_over: "was overwritten",
}


@pytest.mark.parametrize("act", STOPPING, ids=lambda act: act.__name__)
def test_a_server_whose_store_is_lost_says_why_until_one_is_restored(
    db, backup, cli, start_server, chance, act
):
    """Under load: posts are 503 with the reason, never 500; and then all of them are there."""
    server, ledger = start_server(), Ledger()
    with Load(server.port, chance, ledger) as load:
        load.wait_for(50)
        act(db, backup)
        wait_until(lambda: STOPPING[act] in readiness(server)[1], "it says why it is not ready")
        assert readiness(server)[0] == 503
        status, message = post(server, 1)
        assert status == 503
        assert STOPPING[act] in message
        load.wait_for_refusals(5)
        wait_until(lambda: '"level":"error"' in server.said(), "the log says it, too")
        before = {*ledger.acknowledged}, {*ledger.acknowledged_undated}
        done = cli("restore", str(backup))
        assert (done.returncode, done.stderr) == (0, b"")
        wait_until(lambda: readiness(server)[0] == 200, "it is ready again")
        load.wait_for(50)
    wait_until(lambda: "the store can be used again" in server.said(), "it says so")
    errors = [text for text in server.said().splitlines() if '"level":"error"' in text]
    assert len([text for text in errors if STOPPING[act] in text]) <= 1  # not each second
    ledger.acknowledged -= before[0]
    ledger.acknowledged_undated -= before[1]
    views = keeps_its_promise(db, ledger.acknowledged | {OLD}, stored(db))
    assert {view.name for view in views} >= ledger.acknowledged_undated
    assert server.stop() == 0
    keeps_its_promise(db, views, views)


def test_a_server_goes_on_with_a_store_that_is_restored(db, backup, cli, start_server, chance):
    """Under load, and without a word to it: each page view is acknowledged in one of the two."""
    server, ledger = start_server(), Ledger()
    with Load(server.port, chance, ledger) as load:
        load.wait_for(50)
        assert cli("restore", str(backup)).returncode == 0
        kept = db.with_name("store.db.replaced-1")
        wait_until(lambda: readiness(server)[0] == 200, "it is ready again")
        load.wait_for(50)
    assert server.get("old")[0] == 200
    assert server.stop() == 0
    in_both = keeps_its_promise(db, {OLD}, ledger.sent | stored(db)) | stored(kept)
    assert in_both >= ledger.acknowledged
    assert {view.name for view in in_both} >= ledger.acknowledged_undated
    with open_store(kept, lock_timeout=10) as store:
        assert list(store.check()) == []


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_a_server_whose_log_is_removed_saves_what_is_in_it(db, start_server, chance, suffix):
    """Under load: nothing that was ever acknowledged is lost."""
    server, ledger = start_server(), Ledger()
    with Load(server.port, chance, ledger) as load:
        load.wait_for(50)
        os.unlink(f"{db}{suffix}")
        load.wait_for(100)
    assert readiness(server) == (200, "")
    assert "was removed while it was in use" in server.said()
    assert server.stop() == 0
    ledger.holds(db)


def test_a_store_that_is_moved_away_and_back_is_gone_on_with(db, backup, start_server, chance):
    """With all that was ever acknowledged."""
    server, ledger = start_server(), Ledger()
    with Load(server.port, chance, ledger) as load:
        load.wait_for(50)
        move_away(db, backup)
        wait_until(lambda: readiness(server)[0] == 503, "it is not ready")
        load.wait_for_refusals(5)
        db.with_name("moved.db").rename(db)
        wait_until(lambda: readiness(server)[0] == 200, "it is ready again")
        load.wait_for(50)
    assert server.stop() == 0
    ledger.holds(db, others=[OLD])


def test_a_profile_is_not_told_of_a_file_that_is_gone(backup, cli, start_server):
    """It is 503 at first, and then that of the restored store."""
    server = start_server()
    assert post(server, 1)[0] == 200
    assert server.get("u")[0] == 200
    assert cli("restore", str(backup)).returncode == 0
    wait_until(lambda: server.get("u")[0] == 404, "the profile is that of the backup")
    assert server.get("old")[0] == 200


def test_a_watcher_says_why_and_takes_its_files_into_the_restored_store(
    db, backup, cli, start, folder, tmp_path
):
    """It ingests all lines that the backup does not have, because the offsets are in the store."""
    log = folder / "log.jsonl"
    views = [PageView("u", AS_OF + number, "/") for number in range(3)]
    log.write_bytes(line(views[0]))
    said = tmp_path / "said"
    with said.open("wb") as stderr:
        watcher = start("watch", folder, stderr=stderr)
    wait_until(lambda: len(stored(db)) == 2, "the first line is taken")
    db.unlink()
    with log.open("ab") as file:
        file.write(line(views[1]))
    wait_until(lambda: "moved or removed" in said.read_text(), "it says why")
    assert cli("restore", str(backup)).returncode == 0
    with log.open("ab") as file:
        file.write(line(views[2]))
    wait_until(lambda: stored(db) == {OLD, *views}, "all lines are taken")
    watcher.terminate()
    assert watcher.wait(timeout=120) == 0
    keeps_its_promise(db, {OLD, *views}, {OLD, *views})


def test_an_ingest_whose_store_is_replaced_ends_and_says_why(db, backup, cli, start):
    """It was to go into another store; run again, it is whole."""
    lines = [line(PageView("u", AS_OF + number, "/")) for number in range(3)]
    ingest = start("ingest", "-", stdin=-1)
    ingest.stdin.write(lines[0])
    ingest.stdin.flush()
    wait_until(lambda: len(stored(db)) == 2, "the first line is stored")
    assert cli("restore", str(backup)).returncode == 0
    ingest.stdin.write(lines[1] + lines[2])
    _, said = ingest.communicate(timeout=120)
    assert ingest.returncode == 3
    assert b"was replaced while it was in use" in said
    assert stored(db) == {OLD}
    assert cli("ingest", "-", stdin=b"".join(lines)).returncode == 0
    assert len(stored(db)) == 4


def test_after_a_crash_a_backup_that_is_copied_there_is_refused_and_restored(
    db, backup, cli, start_server
):
    """By all commands, and by a server that is started; until it is restored."""
    server = start_server()
    for number in range(3):
        assert post(server, number)[0] == 200
    server.kill("all")
    assert Path(f"{db}-wal").stat().st_size
    shutil.copy(backup, db)
    for command in (["profile", "old"], ["ingest", "-"], ["check"], ["serve"]):
        done = cli(*command)
        assert done.returncode == 3
        assert b"behavstats restore BACKUP" in done.stderr
    assert db.read_bytes() == backup.read_bytes()
    assert cli("restore", str(backup)).returncode == 0
    assert cli("check").returncode == 0
    assert stored(db) == {OLD}
    with closing(sqlite3.connect(db)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)

"""Another process holds the store's lock for long: commands say that they wait, or give up."""

import subprocess
import sys
import time

import pytest

from behavstats.model.page_view import PageView
from behavstats.model.timestamps import DAY, format_instant
from behavstats.store import create_store
from tests.cli.conftest import WAITS, one_line
from tests.faults.load import Load
from tests.faults.promise import Ledger, agrees_with_the_oracle, stored
from tests.support.histories import AS_OF, line
from tests.support.ports import free_port

SECONDS = 30
HOLDER = """
import sys
from pathlib import Path
from behavstats.store.sqlite.lock import StoreLock
with StoreLock(Path(sys.argv[1]), lock_timeout=10).held():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def hold(db):
    """Have another process hold the lock until it gets a signal to release it."""
    holders = []

    def hold():
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLDER, db], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        holders.append(holder)
        assert holder.stdout.readline() == b"held\n"
        return holder

    yield hold
    for holder in holders:
        holder.kill()
        holder.communicate()


def test_a_store_held_for_half_a_minute_is_waited_for(
    db, start_server, start, hold, chance, tmp_path
):
    """An ingest and a `forget` say that they wait, and then work; a profile never waits.

    Posts meanwhile get 503 with `Retry-After`, as often as they ask, and reads go on. Of what was
    refused nothing is half there: it comes when it is posted again, and is there once.
    """
    views = {PageView(f"user{n % 97}", AS_OF - n * 71, f"/{n % 11}") for n in range(20_000)}
    (tmp_path / "events.jsonl").write_bytes(b"".join(map(line, views)))
    server = start_server()
    assert server.post("leaver", "/first", format_instant(AS_OF)) == 200
    holder = hold()
    end = time.monotonic() + SECONDS
    waiting = [start("ingest", "events.jsonl"), start("forget", "leaver", "--yes")]
    for command in waiting:
        assert command.stderr.readline() == WAITS
    ledger = Ledger()
    with Load(server.port, chance, ledger) as load:
        while time.monotonic() < end:
            assert server.get("leaver")[0] == 200
            assert start("profile", "leaver").wait(timeout=120) == 0
            assert [command.poll() for command in waiting] == [None, None]
        assert set(load.statuses) == {503}
        assert ledger.acknowledged == ledger.acknowledged_undated == set()
        holder.communicate()
        for command in waiting:
            _, more = command.communicate(timeout=120)
            assert (command.returncode, more.replace(WAITS, b"")) == (0, b"")
        load.wait_for(100)
    assert server.stop() == 0
    there = ledger.holds(db, views)
    assert not any(view.user_id == "leaver" for view in there)
    agrees_with_the_oracle(db, there, [AS_OF, AS_OF - DAY // 3])


def test_a_watcher_waits_for_its_turn(db, start, hold, tmp_path):
    """The watcher says that it waits, and then ingests the lines that are there."""
    view = PageView("u", AS_OF, "/")
    (tmp_path / "events.jsonl").write_bytes(line(view))
    create_store(db, lock_timeout=5).close()
    holder = hold()
    watcher = start("watch", "--once", "events.jsonl")
    assert watcher.stderr.readline() == WAITS
    holder.communicate()
    watcher.communicate(timeout=120)
    assert watcher.returncode == 0
    assert stored(db) == {view}


def test_nobody_waits_for_ever(db, cli, hold):
    """A server that cannot acquire the lock in five seconds says so, and creates no store."""
    hold()
    done = cli("serve", "--port", str(free_port()))
    assert (done.returncode, one_line(done)) == (
        3,
        "the store is busy: another process held its lock for 5 s",
    )
    assert not db.exists()


def test_a_process_killed_with_the_lock_keeps_nobody_waiting(cli, hold):
    """The operating system releases the lock."""
    holder = hold()
    holder.kill()
    assert cli("ingest", "-", stdin=line(PageView("u", AS_OF, "/"))).returncode == 0

"""The disk fills up: what was acknowledged is there, nothing by half, and it goes on later."""

import subprocess

import pytest

from behavstats.events import PageView
from behavstats.instants import DAY
from behavstats.store import Store
from tests.commands.conftest import one_line
from tests.faults.load import Load
from tests.faults.promise import Ledger, agrees_with_the_oracle, keeps_its_promise, stored
from tests.histories import AS_OF, line


@pytest.fixture
def db(small_disk):
    """A store on a disk of 4 MiB."""
    return small_disk("4m") / "store.db"


def fill(disk):
    """Take all the room that is left."""
    with (disk / "filler").open("ab", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            return


def views_of(day, count=40_000):
    return {
        PageView(f"user{n % 97}", AS_OF - day * DAY + n * 7, f"/{n % 31}") for n in range(count)
    }


def write_file(path, views):
    path.write_bytes(b"".join(map(line, sorted(views, key=lambda view: view.instant))))
    return path


def test_a_server_on_a_full_disk_refuses_posts_and_goes_on_when_there_is_room(
    db, start_server, chance
):
    """Posts get 503 with `Retry-After`, reads go on, and so do posts, once there is room again.

    Again and again, and also where the server is killed, or stopped, while there is none.
    """
    ledger, server = Ledger(), start_server()
    for round_ in range(6):
        with Load(server.port, chance, ledger, leavers=1) as load:
            load.wait_for(chance.randrange(20, 200))
            fill(db.parent)
            load.wait_for_refusals(50)
            before = len(stored(db))
            assert server.get("user1")[0] == 200
            assert server.request("GET", "/healthz")[0] == 200
            if round_ % 3 == 1:
                server.kill("all")
            elif round_ % 3 == 2:
                assert server.stop() == 0
            (db.parent / "filler").unlink()
            if round_ % 3:
                server = start_server()
            load.wait_for(100)
        views = ledger.holds(db)
        assert len(views) > before
    agrees_with_the_oracle(db, views, [AS_OF, AS_OF + DAY])
    assert server.stop() == 0


def test_an_ingest_that_fills_the_disk_stops_and_the_next_finishes_it(db, cli, tmp_path):
    """One clear line, exit code 3; whole page views or none; what was there before is there."""
    before, more = views_of(0), views_of(1, 200_000)
    assert cli("ingest", write_file(tmp_path / "before", before)).returncode == 0
    file = write_file(tmp_path / "more", more)
    for _ in range(3):
        done = cli("ingest", file)
        assert done.returncode == 3
        assert "full" in one_line(done)
        keeps_its_promise(db, before, before | more)
        assert cli("profile", "user1").returncode == 0
    subprocess.run(["mount", "-o", "remount,size=64m", db.parent], check=True)
    assert cli("ingest", file).returncode == 0
    assert keeps_its_promise(db, before | more, before | more) == before | more
    some = {view for view in before | more if view.user_id in {"user1", "user42"}}
    agrees_with_the_oracle(db, some, [AS_OF, AS_OF - DAY, AS_OF + DAY])


READING = [("profile", "user1"), ("export", "user1"), ("rejects",), ("check",)]


@pytest.mark.parametrize("command", [*READING, ("ingest", "-"), ("forget", "user1", "--yes")])
def test_a_command_on_a_disk_without_any_room_says_so(db, cli, command):
    """One line that names the disk, exit code 3, and the store as it was; later, it works.

    A command that only reads needs room for SQLite's file beside the store.
    """
    views = views_of(0, 5_000)
    with Store.create(db, patience=5) as store:
        store.add([*views])
    before = db.read_bytes()
    fill(db.parent)
    stdin = line(PageView("user1", AS_OF + DAY, "/new"))
    done = cli(*command, stdin=stdin)
    assert done.returncode == 3
    assert "full" in one_line(done)
    assert db.read_bytes() == before
    (db.parent / "filler").unlink()
    assert cli(*command, stdin=stdin).returncode == 0

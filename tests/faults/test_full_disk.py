"""The disk fills up: acknowledged data is there, nothing is half done, and work continues later."""

import resource
import subprocess
from contextlib import suppress

import pytest

from behavstats.errors import StoreUnavailable, UnknownUser
from behavstats.model.page_view import PageView, Rejection
from behavstats.model.timestamps import DAY, format_instant
from behavstats.store import create_store
from tests.cli.conftest import counts, one_line
from tests.faults.disks import fill
from tests.faults.load import Load
from tests.faults.promise import Ledger, agrees_with_the_oracle, keeps_its_promise, stored
from tests.support.histories import AS_OF, line
from tests.support.stores import columns


@pytest.fixture
def db(request, tmp_path):
    """A store on a disk of 4 MiB; on that of the tests, where its files are limited instead."""
    if "limited" in request.fixturenames:
        return tmp_path / "store.db"
    return request.getfixturevalue("small_disk")("4m") / "store.db"


@pytest.fixture
def limited():
    """Limit the files of processes to some bytes, as a quota does; None lifts the limit."""

    def limit(processes, size):
        most = resource.RLIM_INFINITY if size is None else size
        for process in processes:
            resource.prlimit(process, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

    return limit


FIRST = PageView("user1", AS_OF, "/first")


def post_first(server, ledger):
    """Post a page view whose user is known from then on."""
    assert server.post(FIRST.user_id, FIRST.name, format_instant(FIRST.instant)) == 200
    ledger.sent.add(FIRST)
    ledger.acknowledged.add(FIRST)


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
    """Posts get 503 with `Retry-After`, reads work, and so do posts, once there is room again.

    Again and again, and also where the server is killed, or stopped, while there is none.
    """
    ledger, server = Ledger(), start_server()
    post_first(server, ledger)
    for round_ in range(6):
        with Load(server.port, chance, ledger, leavers=1) as load:
            load.wait_for(chance.randrange(20, 200))
            fill(db.parent)
            load.wait_for_refusals(50)
            before = len(stored(db))
            assert server.get(FIRST.user_id)[0] == 200
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


@pytest.mark.parametrize("command", [("ingest",), ("watch", "--once")])
def test_what_fills_the_disk_stops_and_the_next_finishes_it(db, cli, tmp_path, command):
    """One clear line, exit code 3; whole page views or none; what was there before is there.

    The report of an ingest says how many of them were stored.
    """
    before, more = views_of(0), views_of(1, 120_000)
    assert cli("ingest", write_file(tmp_path / "before", before)).returncode == 0
    file = write_file(tmp_path / "more", more)
    for _ in range(3):
        there = len(stored(db))
        done = cli(*command, file)
        assert done.returncode == 3
        if command == ("ingest",):
            assert counts(done)["added"] == len(stored(db)) - there
        (complaint,) = [one for one in done.stderr.splitlines() if one.startswith(b"behavstats: ")]
        assert b"disk is full" in complaint
        keeps_its_promise(db, before, before | more)
        assert cli("profile", "user1").returncode == 0
    subprocess.run(["mount", "-o", "remount,size=64m", db.parent], check=True)
    assert cli(*command, file).returncode == 0
    assert keeps_its_promise(db, before | more, before | more) == before | more
    some = {view for view in before | more if view.user_id in {"user1", "user42"}}
    agrees_with_the_oracle(db, some, [AS_OF, AS_OF - DAY, AS_OF + DAY])


READING = [("profile", "user1"), ("export", "user1"), ("rejects",), ("check",)]


WRITING = [("ingest", "-"), ("forget", "user1", "--yes"), ("watch", "new", "--once")]


@pytest.mark.parametrize("command", [*READING, *WRITING])
def test_a_command_on_a_disk_without_any_room_says_so(db, cli, tmp_path, command):
    """One line that names the disk, exit code 3, and the store as it was; later, it works.

    A command that only reads needs room for SQLite's file beside the store.
    """
    views = views_of(0, 5_000)
    with create_store(db, lock_timeout=5) as store:
        store.add([*views])
    before = db.read_bytes()
    fill(db.parent)
    stdin = line(PageView("user1", AS_OF + DAY, "/new"))
    (tmp_path / "new").write_bytes(stdin)
    done = cli(*command, stdin=stdin)
    assert done.returncode == 3
    assert "disk is full" in one_line(done)
    assert db.read_bytes() == before
    (db.parent / "filler").unlink()
    assert cli(*command, stdin=stdin).returncode == 0


def test_a_server_at_its_quota_refuses_posts_and_goes_on_when_it_has_more(
    db, start_server, chance, limited
):
    """As on a full disk, but that another error says so; where no disk can be mounted, too."""
    ledger, server = Ledger(), start_server()
    post_first(server, ledger)
    for _ in range(5):
        with Load(server.port, chance, ledger, leavers=1) as load:
            load.wait_for(50)
            wal = db.with_name("store.db-wal").stat().st_size
            limited(server.processes(), wal + chance.randrange(20_000))
            load.wait_for_refusals(50)
            assert server.get(FIRST.user_id)[0] == 200
            limited(server.processes(), None)
            load.wait_for(50)
        ledger.holds(db)
    assert server.stop() == 0
    agrees_with_the_oracle(db, ledger.holds(db), [AS_OF, AS_OF + DAY])


def is_refused(do):
    """Call `do`; return whether there was no room for it."""
    try:
        do()
    except StoreUnavailable as error:
        if "disk is full" not in str(error):
            raise
        return True
    return False


@pytest.mark.parametrize("more_pages", range(0, 24, 2))
def test_wherever_the_file_is_full_nothing_is_half_done(tmp_path, more_pages):
    """Each verb that writes, with room for so many pages more, as SQLite can be told.

    It is done or it raises; then all is as before. With room, it is done.
    """
    path = tmp_path / "capped.db"
    views = [PageView("busy", AS_OF - n * 1021, f"/{n % 11}") for n in range(2_000)]
    more = [PageView(f"new{n}", AS_OF + n, f"/new/{n}") for n in range(1_500)]
    junk = [
        Rejection("file", n, 0, 900, "invalid_json", "it is none", b"-" * 900) for n in range(9)
    ]
    with create_store(path, lock_timeout=5) as store:
        store.add(views)
        verbs = {
            "add": (lambda: store.add(more[:500], junk), views + more[:500]),
            "load": (lambda: [*store.load(columns(more))], views + more),
            "refresh": (store.refresh_rollups, views + more),
            "repair": (store.repair, views + more),
            "forget": (lambda: store.forget("busy"), more),
            "clear": (store.rejected.clear, more),
        }
        for verb, (do, after) in verbs.items():
            before = stored(path)
            (pages,) = store.database.writer.execute("PRAGMA page_count").fetchone()
            store.database.writer.execute(f"PRAGMA max_page_count = {pages + more_pages}")
            if is_refused(do):
                added = stored(path) - before if verb == "load" else set()  # by transactions
                assert stored(path) == before | (added & set(more)), verb
            assert list(store.check()) == [], verb
            store.database.writer.execute("PRAGMA max_page_count = 1000000")
            with suppress(UnknownUser):
                do()
            assert stored(path) == set(after), verb
            assert list(store.check()) == [], verb
    agrees_with_the_oracle(path, set(more), [AS_OF, AS_OF + DAY])

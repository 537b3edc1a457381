"""SIGKILL of a watcher at random instants: each line is ingested exactly once."""

import itertools
import signal
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from behavstats.model.timestamps import DAY, HOUR
from tests.faults.disks import fill
from tests.faults.load import Load
from tests.faults.pipeline import Pipeline
from tests.faults.power import Disk, images, some_of
from tests.faults.promise import Ledger, agrees_with_the_oracle, keeps_its_promise, stored
from tests.faults.waiting import wait_until
from tests.support.histories import AS_OF

ROUNDS = 10


@pytest.fixture
def watch(start, folder, tmp_path):
    """Start to watch the folder; the output of the watcher goes to `watcher.log`.

    A pipe that is not emptied would block the watcher.
    """
    logs = (tmp_path / f"log{number}" for number in itertools.count())

    def watch(*arguments, **more):
        log = next(logs)
        with log.open("wb") as stderr:
            watcher = start("watch", folder, *arguments, stderr=stderr, **more)
        watcher.log = log
        wait_until_said(log, f"follows {folder} into ")
        return watcher

    return watch


def wait_until_said(log, what, times=1):
    wait_until(lambda: log.read_text().count(what) >= times, f"it says: {what}")


def rejected_lines(db):
    with closing(sqlite3.connect(db)) as connection:
        return connection.execute("SELECT count(text) FROM rejected_line").fetchone()[0]


def wait_until_more(db):
    """Wait until more is stored than now; a store that is being created has nothing yet."""

    def count():
        with suppress(sqlite3.OperationalError):
            return len(stored(db))
        return 0

    before = count()
    wait_until(lambda: count() > before, "more is stored")


def drain(start, folder, db):
    """Ingest all lines that are there."""
    last = start("watch", "--once", folder, "--db", db)
    last.communicate(timeout=120)
    assert last.returncode in {0, 1}


@pytest.mark.parametrize("_part", range(5))
def test_a_killed_watcher_takes_each_line_once(db, start, watch, chance, folder, _part):
    """While files grow, get other names, and are compressed; killed or stopped, and started again.

    In the end all page views are there, and each line that is none is kept once.
    """
    with Pipeline(folder, chance) as pipeline:
        pipeline.wait_for(100)
        for _ in range(ROUNDS):
            watcher = watch()
            time.sleep(chance.uniform(0, 0.8))
            how = signal.SIGKILL if chance.random() < 0.8 else signal.SIGTERM
            watcher.send_signal(how)
            assert watcher.wait(timeout=120) == (-how if how == signal.SIGKILL else 0)
            keeps_its_promise(db, (), pipeline.views)
    drain(start, folder, db)
    assert keeps_its_promise(db, pipeline.views, pipeline.views) == pipeline.views
    assert rejected_lines(db) == pipeline.junk
    agrees_with_the_oracle(db, pipeline.views, [AS_OF, AS_OF - HOUR, AS_OF + 6 * DAY])


def test_a_killed_server_that_follows_files_takes_each_line_once(
    db, start_server, start, chance, folder
):
    """Clients post meanwhile, and their acknowledged page views are there."""
    ledger = Ledger()
    with Pipeline(folder, chance) as pipeline:
        for times in range(1, ROUNDS // 2 + 1):
            server = start_server("--watch", str(folder))
            wait_until_said(server.log, f"follows {folder} into ", times)
            with Load(server.port, chance, ledger, clients=3, leavers=1) as load:
                load.wait_for(chance.randrange(200))
                time.sleep(chance.uniform(0, 0.5))
                server.kill(chance.choice(["all", "supervisor", "worker"]))
            ledger.sent |= pipeline.views
            ledger.holds(db)
    drain(start, folder, db)
    ledger.sent |= pipeline.views
    views = ledger.holds(db, pipeline.views)
    assert rejected_lines(db) == pipeline.junk
    agrees_with_the_oracle(db, views, [AS_OF, AS_OF - HOUR, AS_OF + 6 * DAY])


def test_a_watcher_whose_disk_lost_power_takes_each_line_once(
    db, start, watch, chance, folder, recorded, tmp_path
):
    """The offset of a file is neither ahead of the stored lines nor behind them."""
    environment, record = recorded
    with Pipeline(folder, chance) as pipeline:
        watcher = watch(env=environment)
        wait_until(lambda: db.exists() and Path(f"{db}-wal").exists(), "it stores something")
        pipeline.wait_for(1_500)
        watcher.terminate()
        assert watcher.wait(timeout=120) == 0
    at = some_of(record, chance, 15)
    for _, image in images(Disk(db), record, at, chance, tmp_path):
        drain(start, folder, image)
        assert keeps_its_promise(image, pipeline.views, pipeline.views) == pipeline.views
        assert rejected_lines(image) == pipeline.junk


def test_a_watcher_on_a_full_disk_goes_on_when_there_is_room(watch, chance, folder, small_disk):
    """It says so, and neither ends nor loses a line."""
    disk = small_disk("64m")
    db = disk / "store.db"
    with Pipeline(folder, chance) as pipeline:
        watcher = watch("--db", db)
        for times in (1, 2, 3):
            wait_until_more(db)
            fill(disk)
            wait_until_said(watcher.log, "disk is full", times)
            pipeline.wait_for(200)
            assert watcher.poll() is None
            (disk / "filler").unlink()
            # One that is full again before this is said is in the same trouble, which is named.
            wait_until_said(watcher.log, "written to again", times)
    wait_until(lambda: stored(db) == pipeline.views, "all page views are there")
    watcher.terminate()
    assert watcher.wait(timeout=120) == 0
    keeps_its_promise(db, pipeline.views, pipeline.views)
    assert rejected_lines(db) == pipeline.junk

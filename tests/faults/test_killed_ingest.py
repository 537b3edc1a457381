"""SIGKILL of an ingest at random instants: the store is sound, and the next one finishes it."""

import gzip
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from behavstats.model.page_view import PageView
from behavstats.model.timestamps import DAY, HOUR
from tests.faults.promise import agrees_with_the_oracle, keeps_its_promise
from tests.faults.waiting import wait_until
from tests.support.histories import AS_OF, line

ROUNDS = 12
LINES = 30_000  # of a file: several transactions for all, and blocks enough for a second process
JUNK = 7


def write_files(folder, chance):
    """Write files that overlap, with some invalid lines; return all their page views.

    One user is busy enough to have summaries.
    """
    views = [
        PageView(f"user{n % 499}" if n % 4 else "busy", AS_OF - n * 997 % (8 * DAY), f"/{n % 101}")
        for n in range(2 * LINES)
    ]
    chance.shuffle(views)
    for number, opened in enumerate((open, gzip.open, open)):
        lines = [*map(line, views[number * LINES // 2 :][:LINES])]
        for junk in range(JUNK):
            lines.insert(chance.randrange(LINES), b'{"junk": %d, "in": %d}\n' % (junk, number))
        with opened(folder / f"{number}.jsonl", "wb") as file:
            file.write(b"".join(lines))
    return set(views)


def rejected_lines(db):
    with closing(sqlite3.connect(db)) as connection:
        return connection.execute("SELECT count(text) FROM rejected_line").fetchone()[0]


def wait_until_it_stores(ingest, db):
    """Wait until the WAL has changed, or the ingest has ended."""

    def size():
        wal = Path(f"{db}-wal")
        return wal.stat().st_size if wal.exists() else 0

    before = size()
    wait_until(lambda: size() != before or ingest.poll() is not None, "it stores something")


@pytest.mark.parametrize("_part", range(6))
def test_a_killed_ingest_keeps_its_promise(db, start, chance, tmp_path, _part):
    """Page views of its files are stored whole or not at all, and the next ingest adds the rest.

    Killed again and again, on a new store or on one that an ingest was killed on before. What a
    finished ingest said is there, each rejected line once; all profiles are what the oracle says.
    """
    everything = write_files(tmp_path, chance)
    files = [tmp_path / f"{number}.jsonl" for number in range(3)]
    started = time.monotonic()
    assert start("ingest", *files, "--db", tmp_path / "timed.db").wait(timeout=120) == 1
    seconds = time.monotonic() - started
    stores = [db]
    for _ in range(ROUNDS):
        ingest = start("ingest", *files, "--db", stores[-1])
        if chance.random() < 0.4:
            time.sleep(seconds * chance.uniform(0, 1.1))
        else:
            wait_until_it_stores(ingest, stores[-1])
            time.sleep(seconds * chance.uniform(0, 0.3))
        ingest.kill()  # a second process, which only decodes, ends by itself
        ingest.communicate()
        is_done = ingest.returncode == 1  # before it was killed; but for the junk
        keeps_its_promise(stores[-1], everything if is_done else (), everything)
        if is_done or chance.random() < 0.5:
            stores.append(db.with_name(f"{len(stores)}.db"))
    users = ("busy", "user1", "user250")
    some = {view for view in everything if view.user_id in users}
    for finished in stores[-2:]:
        last = start("ingest", *files, "--db", finished)
        last.communicate(timeout=120)
        assert last.returncode == 1
        assert keeps_its_promise(finished, everything, everything) == everything
        assert rejected_lines(finished) == JUNK * len(files)
        agrees_with_the_oracle(finished, some, [AS_OF, AS_OF - HOUR, AS_OF - 3 * DAY])

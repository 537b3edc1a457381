"""Ctrl-C, SIGTERM and SIGKILL: the store is sound, and the next ingest finishes the work."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from functools import cache
from pathlib import Path

import pytest

from behavstats.model.page_view import PageView
from tests.cli.conftest import WAITS, counts
from tests.conftest import BEHAVSTATS
from tests.support.histories import AS_OF, line

STOPPING = [signal.SIGINT, signal.SIGTERM]


@pytest.mark.parametrize("number", STOPPING)
def test_an_interrupt_while_modules_are_imported_is_exit_code_130(number):
    """This holds from the moment when Python runs the program."""
    code = "import sys, os, signal; import behavstats.__main__ as m\n"
    code += "sys.modules['behavstats.cli'] = None\n"
    code += "class Finder:\n"
    code += "    def find_spec(self, *_): os.kill(os.getpid(), NUMBER)\n".replace(
        "NUMBER", str(int(number))
    )
    code += "del sys.modules['behavstats.cli']; sys.meta_path.insert(0, Finder()); m.main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (130, b"")


MANY = 200_000


@cache
def many_lines():
    """Some blocks of lines."""
    return b"".join(line(PageView(f"user{n % 997}", AS_OF + n, f"/{n % 101}")) for n in range(MANY))


@pytest.mark.parametrize("number", STOPPING)
def test_an_interrupted_ingest_is_finished_by_the_next(cli, db, number):
    """Exit code 130, counts of what is stored, one line, no process left; nothing twice later."""
    lines = many_lines()
    ingest = subprocess.Popen(
        [BEHAVSTATS, "ingest", "-", "--db", str(db)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    ingest.stdin.write(lines[: -len(lines) // 20])  # more than one block, and not the end
    ingest.stdin.flush()
    wait_for_page_views(db)
    others = children(ingest)
    ingest.send_signal(number)
    out, err = ingest.communicate(timeout=60)
    assert ingest.returncode == 130
    assert err.count(b"\n") == 1
    assert b"interrupted" in err
    assert b"added" in out
    wait_until(lambda: not any(map(is_running, others)), "a process of the ingest is left")
    again = cli("ingest", "-", stdin=lines)
    assert again.returncode == 0
    assert counts(again)["duplicates"] > 0
    assert sound_page_views(db) == MANY


@pytest.mark.parametrize("number", STOPPING)
def test_an_ingest_that_waits_for_its_turn_ends_when_it_is_told_to(store, db, number):
    """It ends at once, with its report, although the other process keeps the lock."""
    with store.database.lock.held():
        ingest = subprocess.Popen(
            [BEHAVSTATS, "ingest", "-", "--db", str(db)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        ingest.stdin.write(line(PageView("u", AS_OF, "/")))
        ingest.stdin.close()
        assert ingest.stderr.readline() == WAITS
        ingest.send_signal(number)
        assert ingest.wait(timeout=60) == 130
    with ingest.stdout, ingest.stderr:
        assert b"added" in ingest.stdout.read()
        assert ingest.stderr.read().startswith(b"behavstats: interrupted")


@pytest.mark.parametrize("delay", [0, 0.1, 0.3])
def test_a_killed_ingest_is_finished_by_the_next(cli, db, tmp_path, delay):
    """SIGKILL at some instant, when it stores: the store is sound, and nothing is there twice."""
    (tmp_path / "events.jsonl").write_bytes(many_lines())
    ingest = subprocess.Popen(
        [BEHAVSTATS, "ingest", "events.jsonl", "--db", str(db)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_for_page_views(db)
    time.sleep(delay)
    ingest.kill()
    ingest.communicate()
    check_sound(db)
    assert cli("ingest", "events.jsonl").returncode == 0
    assert sound_page_views(db) == MANY


def wait_until(is_so, otherwise):
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)


def wait_for_page_views(db):
    def are_there():
        try:
            return sound_page_views(db) > 0
        except sqlite3.OperationalError:
            return False

    wait_until(are_there, "no page view was stored")


def children(process):
    """The processes that a process has started."""
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(pid) for pid in listed.read_text().split()] if listed.exists() else []


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def check_sound(db):
    with closing(sqlite3.connect(f"file:{db}?mode=ro", uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def sound_page_views(db):
    """How many page views a store has, once it was checked."""
    check_sound(db)
    with closing(sqlite3.connect(f"file:{db}?mode=ro", uri=True)) as connection:
        return connection.execute("SELECT count(*) FROM page_view").fetchone()[0]

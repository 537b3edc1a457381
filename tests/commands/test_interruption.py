"""Ctrl-C and SIGKILL: what is stored is sound, and the next ingest finishes it."""

import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from functools import cache

import pytest

from behavstats.events import PageView
from tests.commands.conftest import counts
from tests.conftest import BEHAVSTATS
from tests.histories import AS_OF, line


def test_an_interrupt_while_modules_are_imported_is_exit_code_130():
    """However early it comes, once Python runs the program."""
    code = "import sys, os, signal; import behavstats.__main__ as m\n"
    code += "sys.modules['behavstats.commands'] = None\n"
    code += "class Finder:\n"
    code += "    def find_spec(self, *_): os.kill(os.getpid(), signal.SIGINT)\n"
    code += "del sys.modules['behavstats.commands']; sys.meta_path.insert(0, Finder()); m.main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (130, b"")


MANY = 200_000


@cache
def many_lines():
    """Some blocks of lines."""
    return b"".join(line(PageView(f"user{n % 997}", AS_OF + n, f"/{n % 101}")) for n in range(MANY))


def test_an_interrupted_ingest_is_finished_by_the_next(cli, db):
    """Ctrl-C: exit code 130, counts of what is stored, one line; nothing twice later."""
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
    ingest.send_signal(signal.SIGINT)
    out, err = ingest.communicate(timeout=60)
    assert ingest.returncode == 130
    assert b"interrupted" in err
    assert b"Traceback" not in err
    assert b"added" in out
    again = cli("ingest", "-", stdin=lines)
    assert again.returncode == 0
    assert counts(again)["duplicates"] > 0
    assert sound_page_views(db) == MANY


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


def wait_for_page_views(db):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if sound_page_views(db):
                return
        except sqlite3.OperationalError:
            pass
        time.sleep(0.05)
    pytest.fail("no page view was stored")


def check_sound(db):
    with closing(sqlite3.connect(f"file:{db}?mode=ro", uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def sound_page_views(db):
    """How many page views a store has, once it was checked."""
    check_sound(db)
    with closing(sqlite3.connect(f"file:{db}?mode=ro", uri=True)) as connection:
        return connection.execute("SELECT count(*) FROM page_view").fetchone()[0]

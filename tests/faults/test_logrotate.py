"""The real logrotate, in each of its styles, with a real writer: each line is ingested once."""

import fcntl
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from behavstats.store import open_store
from tests.faults.promise import keeps_its_promise
from tests.faults.waiting import wait_until
from tests.faults.writer import BAD, line_of, view

ROUNDS = 4
PROJECT = Path(__file__).parents[2]

# By what they show: the log's name, and the directives. A date is one of seconds: two files of a
# day would have the same name.
STYLES = {
    "create": ("ev.jsonl", "create"),
    "nocreate": ("ev.jsonl", "nocreate"),
    "start": ("ev.jsonl", "create\nstart 0"),
    "compress": ("ev.jsonl", "create\ncompress"),
    "delaycompress": ("app.log", "create\ncompress\ndelaycompress"),
    "dateext": ("app.log", "create\ndateext\ndateformat -%Y%m%d-%s"),
    "dateformat": ("app.log", "create\ndateext\ndateformat .%Y-%m-%dT%H:%M:%S"),
    "extension": ("ev.jsonl", "create\nextension .jsonl"),
    "extension-compress": ("ev.jsonl", "create\nextension .jsonl\ncompress"),
    "extension-dateext": (
        "ev.jsonl",
        "create\nextension .jsonl\ndateext\ndateformat -%Y-%m-%d-%H%M%S",
    ),
    "extension-dateext-delaycompress": (
        "ev.jsonl",
        "create\nextension .jsonl\ncompress\ndelaycompress\ndateext\ndateformat _%Y%m%d%H%M%S",
    ),
    "addextension": ("ev", "create\naddextension .jsonl"),
    "copytruncate": ("ev.jsonl", "copytruncate"),
    "copytruncate-extension": ("ev.jsonl", "copytruncate\nextension .jsonl"),
    "copytruncate-compress": ("ev.jsonl", "copytruncate\nextension .jsonl\ncompress"),
    "copytruncate-dateext": ("app.log", "copytruncate\ndateext\ndateformat -%s"),
    "shred": ("ev.jsonl", "create\nextension .jsonl\nshred\ncompress"),
    "olddir": ("ev.jsonl", "create\nextension .jsonl\nolddir {old}"),
}


@pytest.fixture(autouse=True)
def _logrotate():
    if shutil.which("logrotate", path=search_path()) is None:
        pytest.skip("logrotate is not installed: tests/faults/install does that on Debian")


def search_path():
    return os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])


class Writer:
    """The program that writes the log; `count` is the number of lines that it has reported."""

    def __init__(self, log, lock, mode):
        self.count, self._lock = 0, lock
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.writer", log, lock, mode],
            stdout=subprocess.PIPE,
            cwd=PROJECT,
        )
        self.pid = self._process.pid

    def write(self, count):
        """Wait until so many lines more are there."""
        enough = self.count + count
        while self.count < enough:
            self.count = int(self._process.stdout.readline())

    @contextmanager
    def paused(self):
        with open(self._lock, "ab") as lock_file:
            fcntl.flock(lock_file, fcntl.LOCK_EX)
            yield

    def end(self):
        self._process.terminate()
        output, _ = self._process.communicate(timeout=120)
        self.count = int(output.split()[-1])

    def kill(self):
        self._process.kill()
        self._process.communicate()


class Logrotate:
    """Rotates a log on demand."""

    def __init__(self, folder, log, directives, writer):
        self._command = ["logrotate", "--force", "--state", folder / "state", folder / "rotate"]
        self._directives = directives
        self._writer = writer
        tell = f"postrotate\nkill -USR1 {writer.pid}\nendscript"
        tell = "" if self.copies else tell
        text = f"{log} {{\nrotate 99\nmissingok\n{directives}\n{tell}\n}}\n"
        (folder / "rotate").write_text(text)
        (folder / "rotate").chmod(0o600)

    @property
    def copies(self):
        return "copytruncate" in self._directives

    def rotate(self):
        """What is written between copying and truncating is lost by definition: so nothing is."""
        if self.copies:
            with self._writer.paused():
                self._run()
        else:
            self._run()
        if "dateext" in self._directives:  # the next one needs another name
            second = int(time.time())
            wait_until(lambda: int(time.time()) > second, "the second ends")

    def _run(self):
        done = subprocess.run(
            self._command, capture_output=True, check=False, env={"PATH": search_path()}
        )
        assert (done.returncode, done.stderr) == (0, b"")


@pytest.fixture
def rotated(tmp_path, folder):
    """Start a writer of a log, and what rotates it in a style."""
    writers = []

    def start(name, directives, mode="ab"):
        (tmp_path / "old").mkdir()
        log = folder / name
        log.touch()
        writer = Writer(log, tmp_path / "lock", mode)
        writers.append(writer)
        directives = directives.format(old=tmp_path / "old")
        return log, writer, Logrotate(tmp_path, log, directives, writer)

    yield start
    for writer in writers:
        writer.kill()


@pytest.fixture
def watch(start, tmp_path):
    """Start to watch, and wait until it has begun to."""

    def watch(*paths):
        with (tmp_path / "watcher.log").open("ab") as log:
            begun = log.tell()
            watcher = start("watch", *paths, stderr=log)
        said = lambda: b" into " in (tmp_path / "watcher.log").read_bytes()[begun:]  # noqa: E731
        wait_until(said, "it follows")
        return watcher

    return watch


def kill(watcher):
    watcher.kill()
    watcher.wait()


def each_line_is_there_once(start, db, paths, count):
    """There are exactly the written page views, each bad line once, and all lines are counted."""
    last = start("watch", "--once", *paths)
    _, said = last.communicate(timeout=120)
    assert last.returncode in {0, 1}, said
    numbers = range(1, count + 1)
    views = {view(number) for number in numbers if number % BAD}
    assert keeps_its_promise(db, views, views) == views
    with closing(sqlite3.connect(db)) as connection:
        rejected = [text for (text,) in connection.execute("SELECT text FROM rejected_line")]
    junk = [line_of(number).strip() for number in numbers if number % BAD == 0]
    assert sorted(rejected) == sorted(junk)
    with open_store(db, lock_timeout=60) as store:
        there = [source for source in store.offsets.all() if source.device is not None]
    assert sum(source.checkpoint.lines for source in there) == count


@pytest.mark.parametrize("style", STYLES)
def test_each_line_of_a_log_that_is_rotated_is_taken_once(
    db, start, watch, rotated, folder, tmp_path, style
):
    """Of a file that is followed by its name, watched all the time or not.

    In every other round, the watcher is killed before the rotation and started after it; and the
    first rotation is over before any line was ingested.
    """
    name, directives = STYLES[style]
    log, writer, logrotate = rotated(name, directives)
    paths = [log, tmp_path / "old"] if style == "olddir" else [log]
    (folder / "ev-errors.jsonl").write_bytes(b'{"of": "another log"}\n')
    with writer.paused():
        kill(watch(*paths))
    for number in range(ROUNDS):
        if number % 2:
            watcher = watch(*paths)
            writer.write(150)
            logrotate.rotate()
            writer.write(150)
            kill(watcher)
        else:
            writer.write(150)
            logrotate.rotate()
    writer.write(50)
    writer.end()
    each_line_is_there_once(start, db, paths, writer.count)


def test_a_program_that_goes_on_at_its_offset_leaves_a_hole_that_is_skipped(
    db, start, watch, rotated
):
    """Truncated under one that does not append, a log begins with as many NULs as it was long."""
    log, writer, logrotate = rotated("ev.jsonl", "copytruncate", mode="wb")
    watcher = watch(log)
    for number in range(ROUNDS):
        writer.write(150)
        if number % 2:
            kill(watcher)
        logrotate.rotate()
        if number % 2:
            watcher = watch(log)
    writer.write(50)
    writer.end()
    watcher.send_signal(signal.SIGTERM)
    assert watcher.wait(timeout=120) == 0
    assert log.read_bytes().startswith(b"\0" * 1000)
    each_line_is_there_once(start, db, [log], writer.count)

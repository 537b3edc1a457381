"""The command line as a process: what it prints, where, and its exit codes."""

import gzip
import json
import os
import pty
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from functools import cache
from pathlib import Path

import pytest
from typer.testing import CliRunner

import behavstats.commands
from behavstats.events import PageView
from behavstats.sources import zstd
from behavstats.store import Store
from tests.conftest import BEHAVSTATS, files_of
from tests.histories import AS_OF, line

ROOT = Path(__file__).parents[1]
VIEWS = [PageView("ada-l", AS_OF - 60_000, "/"), PageView("ada-l", AS_OF, "/café")]
LINES = b"".join(map(line, VIEWS))
AT = ("--as-of", "2024-03-01T10:30:00Z")
PROFILE = (
    '{"user_id":"ada-l","number_pages_viewed_in_the_last_7_days":2,'
    '"time_spent_on_site_in_last_7_days":1,"number_of_days_active_in_last_7_days":1,'
    '"most_viewed_page_in_last_7_days":"/café"}\n'
)


def counts(done):
    """The counts that an ingest prints, by their names."""
    rows = re.findall(r"│\s+(\w+)\s+│\s+([\d,]+)\s+│", done.stdout.decode())
    return {name: int(count.replace(",", "")) for name, count in rows}


def one_line(done):
    """The one line on standard error, without the name in front."""
    text = done.stderr.decode()
    assert text.startswith("behavstats: ")
    assert text.count("\n") == 1
    assert "Traceback" not in text
    return text.removeprefix("behavstats: ").rstrip("\n")


def test_a_first_day_with_it(cli, db):
    """Ingest, profile, export into another store, forget: as README shows it."""
    done = cli("ingest", "-", stdin=LINES)
    assert (done.returncode, done.stderr) == (0, b"")
    assert counts(done) == {"read": 2, "added": 2, "duplicates": 0, "rejected": 0}
    done = cli("profile", "ada-l", "--json", *AT)
    assert (done.returncode, done.stdout.decode(), done.stderr) == (0, PROFILE, b"")
    table = cli("profile", "ada-l", *AT).stdout.decode()
    assert "│ most_viewed_page_in_last_7_days        │ /café" in table
    assert "\x1b" not in table
    exported = cli("export", "ada-l")
    assert [json.loads(one) for one in exported.stdout.splitlines()] == [
        {"user_id": "ada-l", "name": "/", "timestamp": "2024-03-01T10:29:00.000Z"},
        {"user_id": "ada-l", "name": "/café", "timestamp": "2024-03-01T10:30:00.000Z"},
    ]
    again = cli("ingest", "-", stdin=exported.stdout)
    assert counts(again) == {"read": 2, "added": 0, "duplicates": 2, "rejected": 0}
    done = cli("forget", "ada-l")
    assert done.returncode == 0
    assert re.search(r"│ page views +│ +2 │", done.stdout.decode())
    assert not any(b"ada-l" in data for data in files_of(db).values())
    for command in ("profile", "export", "forget"):
        done = cli(command, "ada-l")
        assert (done.returncode, done.stdout) == (1, b"")
        assert one_line(done) == "unknown user 'ada-l': the store holds no page view of it"


def test_files_of_all_kinds_at_once(cli, tmp_path):
    """Plain, gzip, zstandard, whatever their names."""
    contents = {"a.gz": LINES, "b": gzip.compress(LINES), "c.txt": zstd.compress(LINES)}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    done = cli("ingest", *contents)
    assert (done.returncode, counts(done)) == (
        0,
        {"read": 6, "added": 2, "duplicates": 4, "rejected": 0},
    )


def test_bad_lines_are_shown_kept_listed_printed_and_cleared(cli, tmp_path):
    """With file, line number and reason; exit code 1."""
    bad = [b"{", b'{"user_id": "b\xff"}', b"[]", b"{}", b'{"user_id": 7}', b"7", b"\x1b[31m"]
    (tmp_path / "events.jsonl").write_bytes(LINES + b"\n".join(bad))
    done = cli("ingest", "events.jsonl")
    assert done.returncode == 1
    assert counts(done) == {
        "read": 9,
        "added": 2,
        "duplicates": 0,
        "rejected": 7,
        "invalid_json": 2,
        "invalid_utf8": 1,
        "not_an_object": 2,
        "missing_key": 1,
        "wrong_type": 1,
    }
    shown = done.stderr.decode().splitlines()
    assert shown[0].startswith(f"behavstats: {tmp_path}/events.jsonl:3: ")
    assert len(shown) == 6
    listed = cli("rejects").stdout.decode()
    assert f"{tmp_path}/events.jsonl │    4 │ invalid_utf8" in listed
    assert "\x1b" not in listed
    printed = cli("rejects", "--jsonl")
    assert (printed.returncode, printed.stdout) == (0, b"\n".join(bad) + b"\n")
    repaired = cli("ingest", "-", stdin=LINES.replace(b"ada-l", b"bob"))
    assert repaired.returncode == 0
    assert cli("rejects", "--clear").stdout == b"7 rejected lines deleted\n"
    assert cli("rejects", "--jsonl").stdout == b""
    assert cli("rejects", "--jsonl", "--clear").returncode == 2


def test_an_over_long_line_is_listed_by_its_place(cli):
    """Its beginning is all that is kept; that is not printed as if it were the line."""
    done = cli("ingest", "-", stdin=LINES + b"x" * 2_000_000 + b"\n" + LINES)
    assert (done.returncode, counts(done)["rejected"], counts(done)["duplicates"]) == (1, 1, 2)
    printed = cli("rejects", "--jsonl")
    assert printed.stdout == b""
    assert one_line(printed) == (
        "not printed, since only its beginning is kept: -, line 3, "
        f"byte {len(LINES)}, 2,000,000 bytes long"
    )


@pytest.mark.parametrize(
    "arguments",
    [("profile", "u"), ("export", "u"), ("forget", "u"), ("rejects",), ("rejects", "--clear")],
)
def test_without_a_store_a_command_says_so_and_makes_none(cli, tmp_path, arguments):
    """Exit code 3."""
    done = cli(*arguments)
    assert done.returncode == 3
    assert "there is no store at" in one_line(done)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("profile", "u", "--days", "0"), 2),
        (("profile", "u", "--days", "91"), 2),
        (("profile", "u", "--as-of", "yesterday"), 2),
        (("profile", ""), 2),
        (("forget", "x" * 513), 2),
        (("profile", "nobody"), 1),
        (("ingest", "missing.jsonl"), 3),
        (("ingest", "."), 3),
        (("serve", "--host", "no.such.host.invalid"), 3),
        (("serve", "--host", "a..b"), 3),
        (("ingest", "-", "--db", "missing/store.db"), 3),
        (("profile", "u", "--db", "text"), 3),
        (("ingest", "-", "--db", "text"), 3),
    ],
)
def test_an_expected_failure_is_one_line_and_an_exit_code(cli, db, tmp_path, arguments, code):
    """1 unknown user, 2 wrong usage, 3 a store or a file that cannot be used."""
    (tmp_path / "text").write_text("no store " * 1000)
    Store.create(db, patience=1).close()
    done = cli(*arguments)
    assert done.returncode == code
    assert one_line(done)
    assert done.stdout == b""


@pytest.mark.parametrize(
    "arguments", [(), ("nonsense",), ("profile",), ("profile", "u", "--days", "x"), ("ingest",)]
)
def test_wrong_usage_is_exit_code_2(cli, arguments):
    """With a hint, on standard error."""
    done = cli(*arguments)
    assert done.returncode == 2
    assert b"Usage: behavstats" in done.stderr + done.stdout
    assert b"Traceback" not in done.stderr


def test_a_file_that_cannot_be_read_does_not_stop_the_others(cli, tmp_path):
    """It is named, and the exit code is 3."""
    (tmp_path / "good").write_bytes(LINES)
    (tmp_path / "cut").write_bytes(gzip.compress(LINES * 100)[:-10])
    done = cli("ingest", "missing", "cut", "good")
    assert (done.returncode, counts(done)["added"]) == (3, 2)
    assert [text.split(": ")[1] for text in done.stderr.decode().splitlines()] == [
        "missing",
        f"{tmp_path}/cut",
    ]


def test_the_store_is_the_options_else_the_environments_else_the_folders(cli, tmp_path):
    """In this order."""
    cli("ingest", "-", "--db", "option.db", stdin=LINES)
    cli("ingest", "-", stdin=LINES, env={"BEHAVSTATS_DB": "environment.db"})
    cli("ingest", "-", stdin=LINES, env={"BEHAVSTATS_DB": ""})
    assert {path.name for path in tmp_path.glob("*.db")} == {
        "option.db",
        "environment.db",
        "behavstats.db",
    }


@pytest.mark.parametrize("command", ["ingest", "profile", "export", "forget", "rejects", "serve"])
def test_the_help_of_each_command_shows_an_example(command):
    """That starts as one would type it."""
    done = CliRunner().invoke(behavstats.commands.app, [command, "--help"])
    assert done.exit_code == 0
    assert f"Example: behavstats {command}" in done.stdout


def test_the_launcher_in_a_checkout_is_the_same_command():
    """`python cli.py`."""
    done = subprocess.run(
        [sys.executable, ROOT / "cli.py", "--help"], capture_output=True, check=True
    )
    assert b"ingest" in done.stdout


@pytest.mark.parametrize(
    "command", [["--help"], ["profile", "--help"], ["profile", "ada-l", "--json"], ["export", "u"]]
)
def test_help_and_reading_import_nothing_heavy(cli, command):
    """SQLModel, which takes half a second, is for making a store and listing rejected lines."""
    cli("ingest", "-", stdin=LINES)
    code = (
        "import sys; from behavstats.commands import main\n"
        f"sys.argv = ['behavstats', *{command!r}]\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([m for m in ('sqlmodel', 'sqlalchemy', 'granian', 'bottle') if m in sys.modules])"
    )
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, capture_output=True, check=True, env=cli.environment)
    assert done.stdout.endswith(b"[]\n")


def test_a_closed_pipe_ends_an_export_quietly(cli, db):
    """As `| head` closes it."""
    cli("ingest", "-", stdin=b"".join(line(PageView("u", AS_OF + n, "/")) for n in range(50_000)))
    export = subprocess.Popen(
        [BEHAVSTATS, "export", "u", "--db", db], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    export.stdout.readline()
    export.stdout.close()
    assert export.wait(timeout=20) == 1
    assert export.stderr.read() == b""
    export.stderr.close()


def on_a_terminal(arguments, answer):
    """Run a command with a terminal as standard input; return its exit code and output."""
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [BEHAVSTATS, *arguments], stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    os.write(controller, answer)
    output, _ = process.communicate(timeout=20)
    os.close(terminal)
    os.close(controller)
    return process.returncode, output.decode()


def test_at_a_terminal_forget_asks_first(cli, db):
    """No is no, yes is yes, and --yes is not asked."""
    cli("ingest", "-", stdin=LINES + line(PageView("bob", AS_OF, "/")))
    code, output = on_a_terminal(["forget", "ada-l", "--db", str(db)], b"n\n")
    assert (code, "nothing was erased" in output) == (130, True)
    assert cli("profile", "ada-l").returncode == 0
    assert on_a_terminal(["forget", "ada-l", "--db", str(db)], b"y\n")[0] == 0
    assert cli("profile", "ada-l").returncode == 1
    code, output = on_a_terminal(["forget", "bob", "--yes", "--db", str(db)], b"")
    assert (code, "?" in output) == (0, False)


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_full_disk_under_standard_output_is_one_line(cli, options):
    """Exit code 3."""
    cli("ingest", "-", stdin=LINES)
    command = f"{BEHAVSTATS} profile ada-l {' '.join((*options, *AT))} > /dev/full"
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, env=cli.environment, check=False
    )
    assert (done.returncode, one_line(done)) == (3, "No space left on device")


def test_a_file_name_that_is_not_utf_8_is_stored_escaped(cli, tmp_path):
    """What is good in it is stored, what is bad is kept."""
    name = os.fsencode(tmp_path) + b"/\xff\n.jsonl"
    Path(os.fsdecode(name)).write_bytes(b"bad\n" + LINES)
    done = cli("ingest", name)
    assert (done.returncode, counts(done)["added"]) == (1, 2)
    assert one_line(done).startswith(
        f"{tmp_path}/\\xff\\n.jsonl:1: invalid_json: JSON is malformed"
    )


def test_an_interrupt_while_modules_are_imported_is_exit_code_130():
    """However early it comes, once Python runs the program."""
    code = "import sys, os, signal; import behavstats.__main__ as m\n"
    code += "sys.modules['behavstats.commands'] = None\n"
    code += "class Finder:\n"
    code += "    def find_spec(self, *_): os.kill(os.getpid(), signal.SIGINT)\n"
    code += "del sys.modules['behavstats.commands']; sys.meta_path.insert(0, Finder()); m.main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (130, b"")


def test_every_byte_is_written_also_where_a_write_takes_less(cli, tmp_path):
    """Unbuffered, as in many containers, onto a disk that is full half-way: that is an error."""
    cli("ingest", "-", stdin=b"".join(line(PageView("u", AS_OF + n, "/")) for n in range(2000)))
    unbuffered = cli.environment | {"PYTHONUNBUFFERED": "1"}
    command = f"ulimit -f 50; {BEHAVSTATS} export u > {tmp_path}/out"
    done = subprocess.run(["bash", "-c", command], capture_output=True, env=unbuffered, check=False)
    assert (done.returncode, one_line(done)) == (3, "File too large")
    assert cli("export", "u", env={"PYTHONUNBUFFERED": "1"}).stdout.count(b"\n") == 2000


@pytest.mark.parametrize("where", ["&-", "/dev/full"])
def test_where_standard_error_leads_nowhere_the_exit_code_still_tells(cli, where):
    """And no complaint gets into standard output."""
    cli("ingest", "-", stdin=LINES)
    for arguments, code in (("profile nobody", 1), ("ingest missing", 3), ("rejects", 0)):
        command = f"{BEHAVSTATS} {arguments} 2>{where}"
        run = ["sh", "-c", command]
        done = subprocess.run(run, capture_output=True, env=cli.environment, check=False)
        assert done.returncode == code
        assert (done.stdout == b"") is (code != 0)


def test_closed_standard_streams_are_no_tracebacks(cli):
    """Whatever started us."""
    closed_input = f"{BEHAVSTATS} ingest - <&-"
    done = subprocess.run(
        ["sh", "-c", closed_input], capture_output=True, env=cli.environment, check=False
    )
    assert (done.returncode, done.stdout.count(b"added")) == (3, 1)
    assert one_line(done) == "-: standard input is closed"
    closed_output = f"{BEHAVSTATS} ingest missing >&-"
    done = subprocess.run(
        ["sh", "-c", closed_output], capture_output=True, env=cli.environment, check=False
    )
    assert (done.returncode, one_line(done)) == (3, "missing: No such file or directory")


def test_a_locale_that_cannot_show_a_name_gets_it_escaped(cli):
    """In tables; JSON is UTF-8 always."""
    cli("ingest", "-", stdin=LINES)
    ascii_only = {"PYTHONIOENCODING": "ascii"}
    table = cli("profile", "ada-l", *AT, env=ascii_only)
    assert (table.returncode, b"/caf\\xe9" in table.stdout) == (0, True)
    assert cli("profile", "ada-l", "--json", *AT, env=ascii_only).stdout.decode() == PROFILE


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
    out, err = ingest.communicate(timeout=20)
    assert ingest.returncode == 130
    assert b"interrupted" in err
    assert b"Traceback" not in err
    assert b"added" in out
    again = cli("ingest", "-", stdin=lines)
    assert again.returncode == 0
    assert counts(again)["duplicates"] > 0
    assert sound_page_views(db) == MANY


@pytest.mark.parametrize("delay", [0.3, 0.6, 0.9])
def test_a_killed_ingest_is_finished_by_the_next(cli, db, tmp_path, delay):
    """SIGKILL at some instant: the store is sound, and nothing is there twice."""
    (tmp_path / "events.jsonl").write_bytes(many_lines())
    ingest = subprocess.Popen(
        [BEHAVSTATS, "ingest", "events.jsonl", "--db", str(db)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    time.sleep(delay)
    ingest.kill()
    ingest.communicate()
    if db.exists():
        check_sound(db)
    assert cli("ingest", "events.jsonl").returncode == 0
    assert sound_page_views(db) == MANY


def wait_for_page_views(db):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            if sound_page_views(db):
                return
        except sqlite3.OperationalError:
            pass
        time.sleep(0.05)
    pytest.fail("no page view was stored")


def check_sound(db):
    """It may have been made by half: then it is empty."""
    with closing(sqlite3.connect(f"file:{db}?mode=ro", uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def sound_page_views(db):
    """How many page views a store has, once it was checked."""
    check_sound(db)
    with closing(sqlite3.connect(f"file:{db}?mode=ro", uri=True)) as connection:
        return connection.execute("SELECT count(*) FROM page_view").fetchone()[0]

"""Standard input, output and error: terminals, pipes, full disks, closed, of another encoding."""

import os
import pty
import subprocess

import pytest

from behavstats.model.page_view import PageView
from tests.cli.conftest import AT, LINES, PROFILE, one_line
from tests.conftest import BEHAVSTATS
from tests.support.histories import AS_OF, line

FULL = "cannot write to standard output (No space left on device), but this was done"


def test_a_closed_pipe_ends_an_export_quietly(cli, db):
    """As `| head` closes it."""
    cli("ingest", "-", stdin=b"".join(line(PageView("u", AS_OF + n, "/")) for n in range(50_000)))
    export = subprocess.Popen(
        [BEHAVSTATS, "export", "u", "--db", db], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    export.stdout.readline()
    export.stdout.close()
    assert export.wait(timeout=60) == 1
    assert export.stderr.read() == b""
    export.stderr.close()


def on_a_terminal(arguments, answer):
    """Run a command with a terminal as standard input; return its exit code and output."""
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [BEHAVSTATS, *arguments], stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    os.write(controller, answer)
    output, _ = process.communicate(timeout=60)
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


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_where_a_receipt_cannot_be_printed_standard_error_says_what_was_erased(cli, options):
    """Otherwise a user would think that nothing was erased."""
    cli("ingest", "-", stdin=LINES)
    command = f"{BEHAVSTATS} forget ada-l {' '.join(options)} > /dev/full"
    run = ["sh", "-c", command]
    done = subprocess.run(run, capture_output=True, env=cli.environment, check=False)
    assert done.returncode == 3
    problem, outcome = one_line(done).split(": ")
    assert problem == FULL
    assert outcome == "erased 2 page views, 2 page names and 0 rejected lines of user ada-l"


def test_where_a_report_cannot_be_printed_standard_error_says_what_was_stored(cli, tmp_path):
    """The report in short."""
    (tmp_path / "events.jsonl").write_bytes(LINES + b"{\n")
    command = f"{BEHAVSTATS} ingest events.jsonl > /dev/full"
    run = ["sh", "-c", command]
    done = subprocess.run(run, capture_output=True, env=cli.environment, check=False)
    assert done.returncode == 3
    problem, outcome = one_line(done).split(": ")
    assert problem == FULL
    assert outcome == "3 lines read, 2 added, 0 duplicates, 0 other messages, 1 rejected"


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

"""Standard streams: terminals, pipes, full disks, closed streams, other encodings."""

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
    """`| head` closes it early."""
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


def test_forget_asks_for_confirmation_at_a_terminal(cli, db):
    """It respects the answer; with --yes, it does not ask."""
    cli("ingest", "-", stdin=LINES + line(PageView("bob", AS_OF, "/")))
    code, output = on_a_terminal(["forget", "ada-l", "--db", str(db)], b"n\n")
    assert (code, "nothing was erased" in output) == (130, True)
    assert cli("profile", "ada-l").returncode == 0
    assert on_a_terminal(["forget", "ada-l", "--db", str(db)], b"y\n")[0] == 0
    assert cli("profile", "ada-l").returncode == 1
    code, output = on_a_terminal(["forget", "bob", "--yes", "--db", str(db)], b"")
    assert (code, "?" in output) == (0, False)


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_full_disk_under_standard_output_is_one_error_line(cli, options):
    """The exit code is 3."""
    cli("ingest", "-", stdin=LINES)
    command = f"{BEHAVSTATS} profile ada-l {' '.join((*options, *AT))} > /dev/full"
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, env=cli.environment, check=False
    )
    assert (done.returncode, one_line(done)) == (3, "No space left on device")


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_receipt_that_cannot_be_printed_goes_to_standard_error(cli, options):
    """Otherwise a user could believe that nothing was erased."""
    cli("ingest", "-", stdin=LINES)
    command = f"{BEHAVSTATS} forget ada-l {' '.join(options)} > /dev/full"
    run = ["sh", "-c", command]
    done = subprocess.run(run, capture_output=True, env=cli.environment, check=False)
    assert done.returncode == 3
    problem, outcome = one_line(done).split(": ")
    assert problem == FULL
    assert outcome == "erased 2 page views, 2 page names and 0 rejected lines of user ada-l"


def test_a_report_that_cannot_be_printed_goes_to_standard_error(cli, tmp_path):
    """In short form."""
    (tmp_path / "events.jsonl").write_bytes(LINES + b"{\n")
    command = f"{BEHAVSTATS} ingest events.jsonl > /dev/full"
    run = ["sh", "-c", command]
    done = subprocess.run(run, capture_output=True, env=cli.environment, check=False)
    assert done.returncode == 3
    problem, outcome = one_line(done).split(": ")
    assert problem == FULL
    assert outcome == "3 lines read, 2 added, 0 duplicates, 0 other messages, 1 rejected"


def test_output_is_complete_after_partial_writes(cli, tmp_path):
    """Output is unbuffered, as in many containers; a disk that fills up half-way is an error."""
    cli("ingest", "-", stdin=b"".join(line(PageView("u", AS_OF + n, "/")) for n in range(2000)))
    unbuffered = cli.environment | {"PYTHONUNBUFFERED": "1"}
    command = f"ulimit -f 50; {BEHAVSTATS} export u > {tmp_path}/out"
    done = subprocess.run(["bash", "-c", command], capture_output=True, env=unbuffered, check=False)
    assert (done.returncode, one_line(done)) == (3, "File too large")
    assert cli("export", "u", env={"PYTHONUNBUFFERED": "1"}).stdout.count(b"\n") == 2000


@pytest.mark.parametrize("where", ["&-", "/dev/full"])
def test_without_standard_error_the_exit_code_is_still_right(cli, where):
    """No error message is written to standard output instead."""
    cli("ingest", "-", stdin=LINES)
    for arguments, code in (("profile nobody", 1), ("ingest missing", 3), ("rejects", 0)):
        command = f"{BEHAVSTATS} {arguments} 2>{where}"
        run = ["sh", "-c", command]
        done = subprocess.run(run, capture_output=True, env=cli.environment, check=False)
        assert done.returncode == code
        assert (done.stdout == b"") is (code != 0)


def test_closed_standard_streams_cause_no_traceback(cli):
    """The parent process may have closed them."""
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


def test_names_are_escaped_in_a_locale_that_cannot_show_them(cli):
    """In tables; JSON is always UTF-8."""
    cli("ingest", "-", stdin=LINES)
    ascii_only = {"PYTHONIOENCODING": "ascii"}
    table = cli("profile", "ada-l", *AT, env=ascii_only)
    assert (table.returncode, b"/caf\\xe9" in table.stdout) == (0, True)
    assert cli("profile", "ada-l", "--json", *AT, env=ascii_only).stdout.decode() == PROFILE

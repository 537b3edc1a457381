"""Help, version, and shell completion."""

import re
import subprocess
import sys

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import behavstats
from behavstats.cli import app
from tests.conftest import BEHAVSTATS

COMMANDS = get_command(app).commands
ALL = [(), *((name,) for name in COMMANDS), ("keys", "new")]


def help_of(*command, option="--help"):
    """Return the help of a command as a terminal of 80 columns shows it."""
    done = CliRunner().invoke(app, [*command, option], env={"COLUMNS": "80"})
    assert (done.exit_code, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("command", ALL, ids=" ".join)
def test_help_is_plain_and_fits_80_columns(command):
    """It shows no types and no marks of repetition, and cuts no sentence short."""
    text = help_of(*command)
    assert max(map(len, text.splitlines())) <= 80
    assert not re.search(r"[{}]|<\w|[a-z]\.\.\.$", text, re.MULTILINE)


@pytest.mark.parametrize("command", ALL, ids=" ".join)
def test_h_is_short_for_help(command):
    """For every command."""
    assert help_of(*command, option="-h") == help_of(*command)


def test_the_list_has_one_line_for_each_command():
    """Each has one sentence, and daily commands come first."""
    rows = re.findall(r"^  (\w+) +([A-Z].*)$", help_of().split("\nEvery day:\n")[1], re.MULTILINE)
    assert sorted(name for name, _ in rows) == sorted(COMMANDS)
    assert [name for name, _ in rows][:2] == ["ingest", "watch"]
    assert all(sentence.endswith(".") for _, sentence in rows)


def test_the_version_is_that_of_the_package(cli):
    """It is printed on one line."""
    done = cli("--version")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == f"behavstats {behavstats.__version__}\n"


def test_bash_completes_commands_and_options(cli):
    """With the script that --show-completion prints."""
    command = f"""
        PATH={BEHAVSTATS.parent}:$PATH
        script=$(behavstats --show-completion) && eval "$script"
        COMP_WORDS=(behavstats prof) COMP_CWORD=1
        _behavstats_completion behavstats && echo "${{COMPREPLY[*]}}"
        COMP_WORDS=(behavstats check --re) COMP_CWORD=2
        _behavstats_completion behavstats && echo "${{COMPREPLY[*]}}"
    """
    run = ["bash", "-c", command]
    done = subprocess.run(run, capture_output=True, env=cli.environment, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.split() == [b"profile", b"--repair"]


def test_completion_imports_nothing_heavy(cli):
    """Each press of the key starts the program."""
    code = (
        "import sys; from behavstats.cli import main\n"
        "sys.argv = ['behavstats']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print({'msgspec', 'rich', 'sqlite3', 'behavstats.store'} & {*sys.modules})"
    )
    asked = {
        "_BEHAVSTATS_COMPLETE": "complete_bash",
        "COMP_WORDS": "behavstats prof",
        "COMP_CWORD": "1",
    }
    environment = cli.environment | asked
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, env=environment
    )
    assert done.stdout.splitlines() == [b"profile", b"set()"]

"""Arguments, options and environment: the store, the help, the exit codes."""

import pytest
from typer.testing import CliRunner

import behavstats.cli
from behavstats.store import create_store
from tests.cli.conftest import LINES, one_line


@pytest.mark.parametrize(
    "arguments",
    [
        ("profile", "u"),
        ("export", "u"),
        ("forget", "u"),
        ("rejects",),
        ("rejects", "--clear", "--all"),
        ("check",),
        ("stats",),
        ("sources",),
        ("backup", "copy.db"),
    ],
)
def test_commands_create_no_store(cli, tmp_path, arguments):
    """They say that there is none; the exit code is 3."""
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
    """1 is an unknown user, 2 wrong usage, 3 a store or a file that cannot be used."""
    (tmp_path / "text").write_text("no store " * 1000)
    create_store(db, lock_timeout=1).close()
    done = cli(*arguments)
    assert done.returncode == code
    assert one_line(done)
    assert done.stdout == b""


@pytest.mark.parametrize(
    "arguments", [(), ("nonsense",), ("profile",), ("profile", "u", "--days", "x"), ("ingest",)]
)
def test_wrong_usage_is_exit_code_2(cli, arguments):
    """With a hint on standard error."""
    done = cli(*arguments)
    assert done.returncode == 2
    assert b"Usage: behavstats" in done.stderr + done.stdout
    assert b"Traceback" not in done.stderr


def test_the_store_comes_from_option_then_environment_then_default(cli, tmp_path):
    """An option before the command counts if none follows it."""
    cli("ingest", "-", "--db", "option.db", stdin=LINES)
    cli("ingest", "-", stdin=LINES, env={"BEHAVSTATS_DB": "environment.db"})
    cli("ingest", "-", stdin=LINES, env={"BEHAVSTATS_DB": ""})
    cli("--db", "before.db", "ingest", "-", stdin=LINES, env={"BEHAVSTATS_DB": "no.db"})
    cli("--db", "no.db", "ingest", "-", "--db", "after.db", stdin=LINES)
    assert {path.name for path in tmp_path.glob("*.db")} == {
        "option.db",
        "before.db",
        "after.db",
        "environment.db",
        "behavstats.db",
    }


def test_a_suggested_command_names_the_store_unless_it_is_the_default_one(cli):
    """The default is the store that the environment names, else the one in the folder."""
    for options, environment, suffix in (
        ((), "environment.db", ""),
        (("--db", "behavstats.db"), "environment.db", " --db behavstats.db"),
        (("--db", "behavstats.db"), "", ""),
    ):
        env = {"BEHAVSTATS_DB": environment}
        done = cli("ingest", "-", *options, stdin=b"{\n", env=env)
        assert done.stderr.decode().endswith(f"list them with: behavstats rejects{suffix}\n")


@pytest.mark.parametrize(
    "command",
    [
        "ingest",
        "profile",
        "export",
        "forget",
        "rejects",
        "check",
        "stats",
        "serve",
        "watch",
        "sources",
        "backup",
    ],
)
def test_the_help_of_each_command_shows_an_example(command):
    """As a user would type it."""
    done = CliRunner().invoke(behavstats.cli.app, [command, "--help"])
    assert done.exit_code == 0
    assert f"Example: behavstats {command}" in done.stdout

"""How the program starts, and what it imports then."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import LINES

ROOT = Path(__file__).parents[2]


def test_the_launcher_runs_the_same_command():
    """As `python cli.py` in a checkout."""
    done = subprocess.run(
        [sys.executable, ROOT / "cli.py", "--help"], capture_output=True, check=True
    )
    assert b"ingest" in done.stdout


HEAVY = ("sqlmodel", "sqlalchemy", "granian", "bottle", "numpy", "rich")


@pytest.mark.parametrize(
    "command", [["--help"], ["profile", "--help"], ["profile", "ada-l", "--json"], ["export", "u"]]
)
def test_help_and_reading_import_nothing_heavy(cli, command):
    """SQLModel takes half a second to import, and only busy users need NumPy."""
    cli("ingest", "-", stdin=LINES)
    code = (
        "import sys; from behavstats.cli import main\n"
        f"sys.argv = ['behavstats', *{command!r}]\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print([m for m in {HEAVY} if m in sys.modules])"
    )
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, capture_output=True, check=True, env=cli.environment)
    assert done.stdout.endswith(b"[]\n")


UNNEEDED = {"msgspec", "multiprocessing", "pydantic", "sqlite3", "behavstats.store"}


def test_help_imports_little_but_typer():
    """It should appear at once."""
    code = (
        "import sys; from behavstats.cli import main\n"
        "sys.argv = ['behavstats', '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print({UNNEEDED} & {{*sys.modules}})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.endswith(b"set()\n")

"""Starting: whole commands against Pythons that only import what they need."""

from collections.abc import Sequence
from pathlib import Path

from bench import Bench
from datasets import AS_OF
from measure import PYTHON, command, in_pairs, seconds

_TIMES_AS_MANY = 4  # pairs: each takes a moment only


def help_text(bench: Bench) -> None:
    """Compare the help with the import of what shows it."""
    _compare(bench, "help", [command("behavstats"), "--help"], "import typer")


def profile_json(bench: Bench) -> None:
    """Compare the profile of a user with the imports that it might take."""
    db = bench.stores.million / "store.db"
    user = bench.data.light_users.read_text().split()[0]
    ours: list[str | Path] = [
        command("behavstats"),
        "profile",
        user,
        "--json",
        "--db",
        db,
        "--as-of",
        AS_OF,
    ]
    _compare(bench, "profile_json", ours, "import typer, sqlmodel, msgspec")


def _compare(bench: Bench, key: str, ours: Sequence[str | Path], imports: str) -> None:
    theirs: list[str | Path] = [PYTHON, "-c", imports]
    seconds(ours), seconds(theirs)  # the first of each reads files that are cached from then on
    count = bench.pairs * _TIMES_AS_MANY
    pairs = in_pairs(lambda: seconds(ours), lambda: seconds(theirs), count)
    bench.results.add_pairs(key, pairs, "{:.3f} against {:.3f} s")

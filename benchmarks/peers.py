"""The programs that ingest, behavstats and its peers: each a whole process, and how it counts."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from measure import HERE, PYTHON, MeasureError, command, output, seconds


@dataclass(frozen=True)
class Peer:
    """A program that ingests a file into a store in a folder of its own.

    `ingest` is the command of one ingest, `count` that which prints how many page views there are.
    """

    name: str
    ingest: Callable[[Path, Path], Sequence[str | Path]]
    count: Callable[[Path], Sequence[str | Path]]

    def timed(self, source: Path, folder: Path, views: int) -> float:
        """Return the seconds of an ingest into an empty store, when all its views were found."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return self.timed_again(source, folder, views)

    def timed_again(self, source: Path, folder: Path, views: int) -> float:
        """Return the seconds of an ingest into what is there, after which it holds `views`."""
        taken = seconds(self.ingest(source, folder))
        self.check(folder, views)
        return taken

    def check(self, folder: Path, views: int) -> None:
        """Raise MeasureError unless a store holds so many distinct page views."""
        found = int(output(self.count(folder)))
        if found != views:
            raise MeasureError(f"{self.name} has {found:,} page views instead of {views:,}")


def _count_sqlite(database: str) -> Callable[[Path], Sequence[str | Path]]:
    return lambda folder: [PYTHON, HERE / "peer_sqlite.py", folder / database]


def _sqlite_utils(*options: str) -> Callable[[Path, Path], Sequence[str | Path]]:
    keys = ("--pk", "user_id", "--pk", "timestamp", "--pk", "name")
    return lambda source, folder: [
        command("sqlite-utils"),
        *("insert", folder / "peer.db", "page_view", source, "--nl", *keys, "--ignore"),
        *options,
    ]


def ingest_command(source: Path | str, folder: Path) -> list[str | Path]:
    """Return the command of our own ingest; all there is to a store stands in its folder."""
    return [command("behavstats"), "ingest", source, "--db", folder / "store.db"]


BEHAVSTATS = Peer("behavstats", ingest_command, _count_sqlite("store.db"))
DUCKDB = Peer(
    "DuckDB",
    lambda source, folder: [PYTHON, HERE / "peer_duckdb.py", folder / "peer.duckdb", source],
    lambda folder: [PYTHON, HERE / "peer_duckdb.py", folder / "peer.duckdb"],
)
CHDB = Peer(
    "chdb",
    lambda source, folder: [PYTHON, HERE / "peer_chdb.py", folder, source],
    lambda folder: [PYTHON, HERE / "peer_chdb.py", folder],
)
# The command that the bar names; and one with larger batches, which is faster (a limit of 999
# variables a statement makes still larger ones useless).
SQLITE_UTILS = Peer("sqlite-utils", _sqlite_utils(), _count_sqlite("peer.db"))
SQLITE_UTILS_BATCHES = Peer(
    "sqlite-utils --batch-size 300",
    _sqlite_utils("--batch-size", "300"),
    _count_sqlite("peer.db"),
)

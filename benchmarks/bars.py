"""The bars: what is asked of each figure, and whether a figure reaches it."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

NOTES = Path(__file__).with_name("notes.toml")


class Bar(NamedTuple):
    """What is measured, and the limit of its value; without a limit it is only reported.

    `unit` stands behind the value ("x" for a ratio); `aim` tells what is wished for from what is
    required.
    """

    key: str
    what: str
    limit: float | None
    at_least: bool = True
    unit: str = "x"
    aim: bool = False

    @property
    def text(self) -> str:
        """The bar in words."""
        if self.limit is None:
            return "none; for information"
        words = "at least" if self.at_least else "at most"
        return f"{words} {shown(self.limit, self.unit)}{' (aim)' if self.aim else ''}"

    def verdict(self, value: float) -> str:
        """Say whether a value reaches the bar."""
        if self.limit is None:
            return "-"
        reached = value >= self.limit if self.at_least else value <= self.limit
        return "reached" if reached else "**not reached**"


BARS = (
    Bar("ingest_duckdb", "ingest of 1 M page views, against DuckDB", 1.2),
    Bar("ingest_sqlite_utils", "the same against sqlite-utils", 25),
    Bar("ingest_chdb", "the same against embedded ClickHouse (chdb)", 1.0, aim=True),
    Bar("ingest_again", "the second ingest of the same file, against the first", 1.0),
    Bar("ingest_into_large", "ingest of 1 M into a store of 20 M, against into an empty one", 0.6),
    Bar("memory", "peak memory of any ingest", 250, at_least=False, unit="MB"),
    Bar("bytes", "bytes on disk for a page view, everything included", 26, False, "bytes"),
    Bar("read_10", "profile in the library, 10 views in the window", 60, False, "µs"),
    Bar("read_100", "profile in the library, 100 views", 250, False, "µs"),
    Bar("read_10000", "profile in the library, 10,000 views", 3_000, False, "µs"),
    Bar("read_1000000", "profile in the library, 1,000,000 views", 15_000, False, "µs"),
    Bar("read_large", "the same reads, store of 20 M against one of 100,000", 1.5, False),
    Bar("post_heaviest", "posts for the heaviest user, against for a light one", 0.7),
    Bar("post_random", "the same at random times of its last 7 days", None),
    Bar("get", "`GET /v1/user/:id`, 32 connections, against a bare Bottle hello", 0.5),
    Bar("post", "`POST /v1/page`, durable, against a bare Bottle route", 0.35),
    Bar("post_p99", "p99 of these posts", 25, False, "ms"),
    Bar("get_during_ingest", "GET p99 while 1 M are ingested, against without it", 3, False),
    Bar("batch", "`POST /v1/batch`, 500 a request, one connection", 60_000, unit="a second"),
    Bar("batch_ingest", "the same, against `behavstats ingest`", 0.5),
    Bar("batch_memory", "the server's memory after 10 M of these", 300, False, "MB"),
    Bar("help", "`behavstats --help`, against `import typer`", 1.6, False),
    Bar(
        "profile_json",
        "`behavstats profile USER --json`, against `import typer, sqlmodel, msgspec`",
        1.2,
        False,
    ),
)


def shown(value: float, unit: str) -> str:
    """Return a value as one would read it out: three digits, and its unit."""
    if unit == "µs" and value >= 1_000:
        value, unit = value / 1_000, "ms"
    digits = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return f"{digits}{unit}" if unit == "x" else f"{digits} {unit}"


def notes() -> Mapping[str, str]:
    """Return what was tried where a bar is not reached, by the bar's key; kept by hand."""
    kept = tomllib.loads(NOTES.read_text(encoding="utf-8")) if NOTES.exists() else {}
    return {key: " ".join(note.split()) for key, note in kept.items()}

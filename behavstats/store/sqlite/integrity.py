"""Verifying a store: the file, the rows that refer to others, and what is derived from raw rows.

Row by row, so that the memory it takes does not grow with the store; and each part for itself, so
that damage in one hides nothing of the others.
"""

import sqlite3
from collections import Counter
from collections.abc import Generator, Iterator

from behavstats.model.summary_vectorized import PartialSummary, merge_partials, pack
from behavstats.model.timestamps import DAY, HOUR, format_instant, parse_instant
from behavstats.store.sqlite.connection import Connection
from behavstats.store.sqlite.rollups import SPANS, partial_summaries

_LATEST = parse_instant("9999-12-31T23:59:59Z")
_NAMES_OF_SPANS = {HOUR: "hour", DAY: "day"}

_DAMAGE = "SELECT integrity_check FROM pragma_integrity_check(?)"
_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table'"
# An erased user or page leaves its row, empty, to which nothing must lead any more; of a user, once
# the erasure is finished.
_OF_ERASED_USERS = """
SELECT user.id, count(*) FROM user CROSS JOIN {table} ON {table}.user = user.id
WHERE user.user_id IS NULL
  AND user.id NOT IN (SELECT user FROM erasure WHERE NOT finished)
GROUP BY user.id
"""
_OF_ERASED_PAGES = """
SELECT user, count(*) FROM page_view WHERE page IN (SELECT id FROM page WHERE name IS NULL)
GROUP BY user
"""
_HASHED = (("user", "user_id"), ("page", "name"))
_TEXTS = "SELECT {column}, hash FROM {table}"
_TWICE = """
SELECT count(*) FROM {table} AS one CROSS JOIN {table} AS other
ON other.hash = one.hash AND other.id > one.id AND other.{column} = one.{column}
"""
_KEYS = "SELECT user, span, start FROM summary ORDER BY user, span, start"
_FIELDS = ("first", "last", "views", "time", "visits")
_SUMMARY = """
SELECT first, last, views, time, visits, pages FROM summary
WHERE user = ? AND span = ? AND start = ?
"""


def check(connection: Connection) -> Generator[str, None, None]:
    """Yield what is wrong with the store at one moment, in a line each; damage is no exception.

    Lines may hold control characters. The WAL cannot be emptied before the last was taken.
    """
    connection.execute("BEGIN")
    try:
        # The snapshot begins here. A store that is busy is an error now, and cannot be one later.
        connection.execute("SELECT 1 FROM sqlite_schema").fetchone()
        for part, find in _PARTS.items():
            try:
                yield from find(connection)
            except sqlite3.DatabaseError as error:
                yield f"{part} cannot be checked to the end: {error}"
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _damage(connection: Connection) -> Iterator[str]:
    try:
        yield from _damage_to(connection, None)
    except sqlite3.DatabaseError as error:  # SQLite gave up: which tables can it read?
        yield f"damage to the file: {error}"
        for (table,) in connection.execute(_TABLES).fetchall():
            try:
                yield from _damage_to(connection, table)
            except sqlite3.DatabaseError as error:
                yield f"damage to the file: table {table}: {error}"


def _damage_to(connection: Connection, table: str | None) -> Iterator[str]:
    """Yield what SQLite finds in a table, or in all of the file."""
    for (message,) in connection.execute(_DAMAGE, (table,)):
        for line in message.splitlines():
            if line != "ok" and not line.startswith("*** in database"):
                yield f"damage to the file: {line}"


def _dangling(connection: Connection) -> Iterator[str]:
    rows = connection.execute("PRAGMA foreign_key_check")
    counts = Counter((table, referred) for table, _, referred, _ in rows)
    for (table, referred), count in counts.items():
        yield f"{table}: rows that refer to a {referred} that is not there: {count:,}"


def _erased(connection: Connection) -> Iterator[str]:
    for table in ("page_view", "summary", "unsettled_day", "dated_by_arrival"):
        for user, count in connection.execute(_OF_ERASED_USERS.format(table=table)):
            yield f"{table}: rows of user {user}, who was erased: {count:,}"
    for user, count in connection.execute(_OF_ERASED_PAGES):
        yield f"page_view: rows of user {user} with a page that was erased: {count:,}"


def _hashes(connection: Connection) -> Iterator[str]:
    for table, column in _HASHED:
        names = {"table": table, "column": column}
        texts = connection.execute(_TEXTS.format(**names))
        wrong = sum(not _is_hash(connection, text, hashed) for text, hashed in texts)
        if wrong:
            yield f"{table}: rows with the hash of something else: {wrong:,}"
        (twice,) = connection.execute(_TWICE.format(**names)).fetchone()
        if twice:
            yield f"{table}: rows with a {column} that another row has: {twice:,}"


def _is_hash(connection: Connection, text: object, hashed: object) -> bool:
    right = connection.hasher.hash(text) if isinstance(text, str) else None
    return hashed == right


def _summaries(connection: Connection) -> Iterator[str]:
    for key in connection.execute(_KEYS):
        try:
            differences = _differences(connection, *key)
        except sqlite3.DatabaseError as error:  # which need not hold for the next
            differences = [f"cannot be compared: {error}"]
        if differences:
            yield f"summary of {_named(*key)}: {'; '.join(differences)}"


_PARTS = {
    "the file": _damage,
    "what refers to other rows": _dangling,
    "what is left of the erased": _erased,
    "what users and pages are found by": _hashes,
    "summaries": _summaries,
}


def _differences(connection: Connection, user: int, span: int, start: int) -> list[str]:
    """Say where a summary differs from the page views that it stands for."""
    if not _is_a_span(span, start):
        return ["is of no hour or day"]
    row = connection.execute(_SUMMARY, (user, span, start)).fetchone()
    if row is None:
        return ["is not found by its key"]
    *kept, pages = row
    run = _run(connection, user, span, start)
    if not run.summary.views:
        return ["stands for no page view"]
    right = [getattr(run.summary, field) for field in _FIELDS]
    fields = zip(_FIELDS, kept, right, strict=True)
    differences = [
        f"{field} is {is_!r}, not {to_be}" for field, is_, to_be in fields if is_ != to_be
    ]
    packed = pack(run.tallies, start)
    if not isinstance(pages, bytes) or len(pages) != len(packed):
        differences.append(f"pages is not {len(packed):,} bytes long")
    elif pages != packed:
        differences.append("pages has other tallies")
    return differences


def _run(connection: Connection, user: int, span: int, start: int) -> PartialSummary:
    """Return the run of the page views themselves; hour by hour, which bounds the memory."""
    hours = range(start, start + span, HOUR)
    return merge_partials(
        [run for at in hours for run in partial_summaries(connection, user, at, at + HOUR, ())]
    )


def _is_a_span(span: int, start: int) -> bool:
    # SQLite's columns take whatever somebody puts there.
    if span not in SPANS or not isinstance(start, int):
        return False
    return 0 <= start <= _LATEST and start % span == 0


def _named(user: int, span: int, start: int) -> str:
    if _is_a_span(span, start):
        return f"user {user}, {_NAMES_OF_SPANS[span]} of {format_instant(start)}"
    return f"user {user!r}, span {span!r}, start {start!r}"

"""Verifies a store: the file, references between rows, hashes, and rollups.

Rows are checked one by one, so that memory does not grow with the store. The parts are checked
independently, so that damage in one of them does not hide faults in another.
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
# The row of an erased user or page stays, but is empty. No row may refer to an erased page, or,
# once the erasure is finished, to an erased user.
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
_ROLLUP = """
SELECT first, last, views, time, visits, pages FROM summary
WHERE user = ? AND span = ? AND start = ?
"""


def check(connection: Connection) -> Generator[str, None, None]:
    """Yield a line for each fault in one snapshot of the store; damage does not raise an error.

    Lines may hold control characters. The WAL cannot be emptied before the generator has ended.
    """
    connection.execute("BEGIN")
    try:
        # The snapshot begins here. A busy store raises an error now, and cannot do so later.
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
    except sqlite3.DatabaseError as error:  # SQLite gave up, so each table is checked by itself
        yield f"damage to the file: {error}"
        for (table,) in connection.execute(_TABLES).fetchall():
            try:
                yield from _damage_to(connection, table)
            except sqlite3.DatabaseError as error:
                yield f"damage to the file: table {table}: {error}"


def _damage_to(connection: Connection, table: str | None) -> Iterator[str]:
    """Yield the damage that SQLite finds in a table, or in the whole file."""
    for (message,) in connection.execute(_DAMAGE, (table,)):
        for line in message.splitlines():
            if line != "ok" and not line.startswith("*** in database"):
                yield f"damage to the file: {line}"


def _dangling(connection: Connection) -> Iterator[str]:
    rows = connection.execute("PRAGMA foreign_key_check")
    counts = Counter((table, referred) for table, _, referred, _ in rows)
    for (table, referred), count in counts.items():
        yield f"{table}: rows that refer to a missing {referred}: {count:,}"


def _references_to_erased(connection: Connection) -> Iterator[str]:
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
            yield f"{table}: rows with a wrong hash: {wrong:,}"
        (twice,) = connection.execute(_TWICE.format(**names)).fetchone()
        if twice:
            yield f"{table}: rows with a {column} that another row has: {twice:,}"


def _is_hash(connection: Connection, text: object, hashed: object) -> bool:
    right = connection.hasher.hash(text) if isinstance(text, str) else None
    return hashed == right


def _rollups(connection: Connection) -> Iterator[str]:
    for key in connection.execute(_KEYS):
        try:
            differences = _differences(connection, *key)
        except sqlite3.DatabaseError as error:  # the next one may be readable
            differences = [f"cannot be compared: {error}"]
        if differences:
            yield f"summary of {_named(*key)}: {'; '.join(differences)}"


_PARTS = {
    "the file": _damage,
    "references between rows": _dangling,
    "references to erased users and pages": _references_to_erased,
    "hashes of users and pages": _hashes,
    "rollups": _rollups,
}


def _differences(connection: Connection, user: int, span: int, start: int) -> list[str]:
    """Return how a rollup differs from the page views that it summarises."""
    if not _is_a_span(span, start):
        return ["is not of an hour or a day"]
    row = connection.execute(_ROLLUP, (user, span, start)).fetchone()
    if row is None:
        return ["is not found by its key"]
    *kept, pages = row
    partial = _partial(connection, user, span, start)
    if not partial.summary.views:
        return ["has no page views"]
    right = [getattr(partial.summary, field) for field in _FIELDS]
    fields = zip(_FIELDS, kept, right, strict=True)
    differences = [
        f"{field} is {is_!r}, not {to_be}" for field, is_, to_be in fields if is_ != to_be
    ]
    packed = pack(partial.tallies, start)
    if not isinstance(pages, bytes) or len(pages) != len(packed):
        differences.append(f"pages is not {len(packed):,} bytes long")
    elif pages != packed:
        differences.append("pages has wrong tallies")
    return differences


def _partial(connection: Connection, user: int, span: int, start: int) -> PartialSummary:
    """Summarise the page views of a span hour by hour, which bounds the memory."""
    hours = range(start, start + span, HOUR)
    return merge_partials(
        [
            partial
            for start_of_hour in hours
            for partial in partial_summaries(
                connection, user, start_of_hour, start_of_hour + HOUR, ()
            )
        ]
    )


def _is_a_span(span: int, start: int) -> bool:
    # SQLite's columns accept values of any type.
    if span not in SPANS or not isinstance(start, int):
        return False
    return 0 <= start <= _LATEST and start % span == 0


def _named(user: int, span: int, start: int) -> str:
    if _is_a_span(span, start):
        return f"user {user}, {_NAMES_OF_SPANS[span]} of {format_instant(start)}"
    return f"user {user!r}, span {span!r}, start {start!r}"

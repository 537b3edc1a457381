"""The rejected lines that the store keeps, so that nothing is lost."""

import sqlite3
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

from behavstats.events import Rejection

if TYPE_CHECKING:
    from sqlalchemy import Engine

_CHUNK = 64  # lines of at most 1 MiB: what is held in memory at once

_INSERT = """
INSERT OR IGNORE INTO rejected_line
    (source, line, "offset", length, reason, message, text, digest)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""


def insert_rejections(connection: sqlite3.Connection, rejections: Sequence[Rejection]) -> None:
    """Keep rejected lines, each once, within the open write transaction."""
    connection.executemany(_INSERT, ((*rejection, _digest(rejection)) for rejection in rejections))


def count_rejections(connection: sqlite3.Connection) -> int:
    """Return how many rejected lines the store keeps."""
    (count,) = connection.execute("SELECT count(text) FROM rejected_line").fetchone()
    return int(count)


def read_rejections(engine: "Engine") -> Iterator[Rejection]:
    """Yield the rejected lines in the order in which they came; in reads of their own."""
    from sqlmodel import Session, col, select

    from behavstats.store.tables import RejectedLine

    lines = select(RejectedLine).where(col(RejectedLine.text).is_not(None))
    last: int | None = 0
    while last is not None:
        following = lines.where(col(RejectedLine.id) > last).order_by(col(RejectedLine.id))
        with Session(engine) as session:
            rows = session.exec(following.limit(_CHUNK)).all()
        last = rows[-1].id if rows else None
        for row in rows:
            # Only erased rows, which are not read, have empty fields.
            yield Rejection(**row.model_dump(exclude={"id", "digest"}))


def delete_rejections(connection: sqlite3.Connection) -> int:
    """Delete all rejected lines within the open write transaction; return how many there were."""
    count = count_rejections(connection)
    connection.execute("DELETE FROM rejected_line")
    return count


def _digest(rejection: Rejection) -> bytes:
    where = f"{rejection.source}\n{rejection.line}\n".encode(errors="surrogateescape")
    return blake2b(where + rejection.text, digest_size=16).digest()

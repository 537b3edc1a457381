"""The rejected lines that the store keeps, so that nothing is lost."""

import sqlite3
from collections.abc import Iterator, Sequence
from hashlib import blake2b

from sqlalchemy import Engine
from sqlmodel import Session, col, func, select

from behavstats.events import Rejection
from behavstats.store.tables import RejectedLine

_CHUNK = 64  # lines of at most 1 MiB: what is held in memory at once

_INSERT = """
INSERT OR IGNORE INTO rejected_line
    (source, line, "offset", length, reason, message, text, digest)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""


def insert_rejections(connection: sqlite3.Connection, rejections: Sequence[Rejection]) -> None:
    """Keep rejected lines, each once, within the open write transaction."""
    connection.executemany(_INSERT, ((*rejection, _digest(rejection)) for rejection in rejections))


def count_rejections(engine: Engine) -> int:
    """Return how many rejected lines the store keeps."""
    with Session(engine) as session:
        return session.exec(select(func.count(col(RejectedLine.text)))).one()


def read_rejections(engine: Engine) -> Iterator[Rejection]:
    """Yield the rejected lines in the order in which they came; in reads of their own."""
    lines = select(RejectedLine).where(col(RejectedLine.text).is_not(None))
    last: int | None = 0
    while last is not None:
        following = lines.where(col(RejectedLine.id) > last).order_by(col(RejectedLine.id))
        with Session(engine) as session:
            rows = session.exec(following.limit(_CHUNK)).all()
        last = rows[-1].id if rows else None
        yield from map(_rejection, rows)


def delete_rejections(connection: sqlite3.Connection) -> int:
    """Delete all rejected lines within the open write transaction; return how many there were."""
    (count,) = connection.execute("SELECT count(text) FROM rejected_line").fetchone()
    connection.execute("DELETE FROM rejected_line")
    return int(count)


def _rejection(row: RejectedLine) -> Rejection:
    # Only erased rows, which are not read, have empty fields.
    return Rejection(**row.model_dump(exclude={"id", "digest"}))


def _digest(rejection: Rejection) -> bytes:
    where = f"{rejection.source}\n{rejection.line}\n".encode(errors="surrogateescape")
    return blake2b(where + rejection.text, digest_size=16).digest()

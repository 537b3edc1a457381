"""INSERT statements that take many rows at a time."""

import sqlite3
from collections.abc import Iterator, Sequence
from functools import cache

_ROWS = 100  # in one statement: twice as fast as one row each; more rows gain nothing


def insert_rows(
    connection: sqlite3.Connection, insert: str, columns: int, values: Sequence[object]
) -> int:
    """Insert rows, given the values of one row after the other; return how many were inserted.

    `insert` ends with `VALUES `; `columns` is the number of values in a row.
    """
    before = connection.total_changes
    one, many = _statements(insert, columns)
    step = _ROWS * columns
    in_bulk = len(values) - len(values) % step
    if in_bulk:
        connection.executemany(many, _cut(values, 0, in_bulk, step))
    if in_bulk < len(values):
        connection.executemany(one, _cut(values, in_bulk, len(values), columns))
    return connection.total_changes - before


def _cut(values: Sequence[object], start: int, end: int, step: int) -> Iterator[Sequence[object]]:
    return (values[at : at + step] for at in range(start, end, step))


@cache
def _statements(insert: str, columns: int) -> tuple[str, str]:
    row = f"({', '.join('?' * columns)})"
    return insert + row, insert + ", ".join([row] * _ROWS)

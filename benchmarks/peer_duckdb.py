"""Ingest a file into DuckDB, or print how many page views it has: peer_duckdb.py DATABASE [FILE].

Tried without gain: TIMESTAMP_MS, `preserve_insertion_order = false`, one thread.
"""

import sys

import duckdb

_TABLE = """
CREATE TABLE IF NOT EXISTS page_view (
    user_id VARCHAR, timestamp TIMESTAMP, name VARCHAR, PRIMARY KEY (user_id, timestamp, name)
)
"""
_INSERT = """
INSERT OR IGNORE INTO page_view SELECT user_id, timestamp, name FROM read_json(
    ?,
    format = 'newline_delimited',
    columns = {user_id: 'VARCHAR', name: 'VARCHAR', timestamp: 'TIMESTAMP'}
)
"""


def ingest(connection: duckdb.DuckDBPyConnection, source: str) -> None:
    """Add the page views of a file that are not there yet."""
    connection.execute(_TABLE)
    connection.execute(_INSERT, [source])
    connection.execute("CHECKPOINT")


def main(database: str, *sources: str) -> None:
    """Ingest, or count."""
    with duckdb.connect(database) as connection:
        for source in sources:
            ingest(connection, source)
        if not sources:
            print(*connection.execute("SELECT count(*) FROM page_view").fetchall()[0])


if __name__ == "__main__":
    main(*sys.argv[1:])

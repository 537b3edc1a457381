"""Ingest a file into embedded ClickHouse, or print how many page views it has.

    peer_chdb.py FOLDER [FILE]

Duplicates go in the merge that OPTIMIZE ... FINAL forces; without `optimize_on_insert = 0`, which
gives the same result 1.1 times as fast, each block would be merged on its own before. Parts are
flushed to the disk, as a page view that counts as stored has to be (no difference to be seen).
Tried without gain: LowCardinality for names, parallel inserts.
"""

import sys

from chdb.session import Session

_TABLE = """
CREATE TABLE IF NOT EXISTS bench.page_view (
    user_id String, timestamp DateTime64(3, 'UTC'), name String
)
ENGINE = ReplacingMergeTree ORDER BY (user_id, timestamp, name)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1
"""
_INSERT = """
INSERT INTO bench.page_view SELECT user_id, timestamp, name FROM file(
    '{}', 'JSONEachRow', 'user_id String, timestamp DateTime64(3, \\'UTC\\'), name String'
)
SETTINGS date_time_input_format = 'best_effort', optimize_on_insert = 0
"""


def ingest(session: Session, source: str) -> None:
    """Add the page views of a file that are not there yet."""
    session.query("CREATE DATABASE IF NOT EXISTS bench")
    session.query(_TABLE)
    session.query(_INSERT.format(source))
    session.query("OPTIMIZE TABLE bench.page_view FINAL")


def main(folder: str, *sources: str) -> None:
    """Ingest, or count."""
    session = Session(folder)
    for source in sources:
        ingest(session, source)
    if not sources:
        print(session.query("SELECT count() FROM bench.page_view"))
    session.close()


if __name__ == "__main__":
    main(*sys.argv[1:])

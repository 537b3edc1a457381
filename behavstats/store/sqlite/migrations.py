"""The versions of a store: the statements that lead from each to the next.

What was released stays as it is here; `tables` says what the newest version looks like (and a test,
that both say the same). Text, since importing SQLModel takes longer than making a store.
"""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from behavstats.errors import NotAStore, StoreBusy
from behavstats.store.sqlite.connection import BUSY, connect
from behavstats.store.sqlite.hashing import keyed_hash

APPLICATION_ID = 0x62737473  # "bsts"; stands in the header of each store file

# Text is interned: `user` and `page` give it integers, never used twice, so that a page view is
# three of them. `page_view` and its names joined are for a person who opens the file with SQL.
_FIRST = (
    """
CREATE TABLE user (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    user_id TEXT,
    UNIQUE (user_id)
)
""",
    """
CREATE TABLE page (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name TEXT,
    UNIQUE (name)
)
""",
    """
CREATE TABLE page_view (
    user INTEGER NOT NULL,
    ts INTEGER NOT NULL,
    page INTEGER NOT NULL,
    PRIMARY KEY (user, ts, page),
    FOREIGN KEY(user) REFERENCES user (id),
    FOREIGN KEY(page) REFERENCES page (id)
) WITHOUT ROWID
""",
    """
CREATE TABLE rejected_line (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    digest BLOB,
    source VARCHAR,
    line INTEGER,
    "offset" INTEGER,
    length INTEGER,
    reason VARCHAR,
    message VARCHAR,
    text BLOB,
    UNIQUE (digest)
)
""",
    """
CREATE VIEW readable_page_view AS
SELECT user.user_id, page.name,
       strftime('%Y-%m-%dT%H:%M:%S', ts / 1000, 'unixepoch') || printf('.%03dZ', ts % 1000)
       AS timestamp
FROM page_view JOIN user ON user.id = page_view.user JOIN page ON page.id = page_view.page
""",
)

# Day by day of those who have many page views: sorting all of them would take memory for all.
BUSY_DAYS = """
WITH RECURSIVE day (user, start) AS (
    SELECT user, min(ts) - min(ts) % 86400000
    FROM page_view GROUP BY user HAVING count(*) >= {many}
    UNION ALL
    SELECT user, (
        SELECT ts - ts % 86400000 FROM page_view
        WHERE page_view.user = day.user AND ts >= day.start + 86400000 ORDER BY ts LIMIT 1
    )
    FROM day WHERE start IS NOT NULL
)
SELECT user, start FROM day
WHERE start IS NOT NULL AND {many} <= (
    SELECT count(*) FROM (
        SELECT 1 FROM page_view
        WHERE page_view.user = day.user AND ts >= day.start AND ts < day.start + 86400000
        LIMIT {many}
    )
)
"""
NOTE_BUSY_DAYS = "INSERT INTO unsettled_day (user, start) " + BUSY_DAYS

# Summaries of the hours and days in which a user has many page views, and the days in which some
# may be missing: at first, all that deserve one.
_SUMMARIES = (
    """
CREATE TABLE summary (
    user INTEGER NOT NULL,
    span INTEGER NOT NULL,
    start INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    views INTEGER NOT NULL,
    time INTEGER NOT NULL,
    visits INTEGER NOT NULL,
    pages BLOB NOT NULL,
    PRIMARY KEY (user, span, start),
    FOREIGN KEY(user) REFERENCES user (id)
)
""",
    """
CREATE TABLE unsettled_day (
    user INTEGER NOT NULL,
    start INTEGER NOT NULL,
    PRIMARY KEY (user, start),
    FOREIGN KEY(user) REFERENCES user (id)
) WITHOUT ROWID
""",
    NOTE_BUSY_DAYS.format(many=1024),
)

# Messages whose page view is dated by when they arrived: sent again, they would be dated anew.
_ARRIVALS = (
    """
CREATE TABLE dated_by_arrival (
    user INTEGER NOT NULL,
    message BLOB NOT NULL,
    PRIMARY KEY (user, message),
    FOREIGN KEY(user) REFERENCES user (id)
) WITHOUT ROWID
""",
)

# How far files that are followed were taken. Their names stand apart from what changes with each
# batch, so that they are never moved within the file, and can be erased like other texts.
_PROGRESS = (
    """
CREATE TABLE source (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name VARCHAR
)
""",
    """
CREATE TABLE progress (
    id INTEGER NOT NULL,
    source INTEGER NOT NULL,
    device INTEGER,
    inode INTEGER,
    head BLOB NOT NULL,
    "offset" INTEGER NOT NULL,
    tail BLOB NOT NULL,
    tail_length INTEGER NOT NULL,
    lines INTEGER NOT NULL,
    rejected INTEGER NOT NULL,
    size INTEGER NOT NULL,
    modified INTEGER,
    taken INTEGER NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (device, inode),
    FOREIGN KEY(source) REFERENCES source (id)
)
""",
    "CREATE INDEX ix_progress_head ON progress (head)",
)

# What a store is: one row. Each copy of a store has an epoch of its own; `secret` keys the digests
# of what must not stand in it as text; `chain` says what `state` and `follows` are for.
_STORE = (
    """
CREATE TABLE store (
    id INTEGER NOT NULL,
    epoch BLOB NOT NULL,
    secret BLOB NOT NULL,
    state VARCHAR NOT NULL,
    follows VARCHAR NOT NULL,
    PRIMARY KEY (id)
)
""",
    """
INSERT INTO store (id, epoch, secret, state, follows)
VALUES (1, randomblob(16), randomblob(32),
        'bsts-wal-' || lower(hex(randomblob(12))), 'bsts-wal-000000000000000000000000')
""",
)

# What bounds the rejected lines that are kept: when each arrived (not known of older ones), from
# whom, and what is kept of each sender. The index leads to a sender's oldest line.
_REJECTS = (
    "ALTER TABLE rejected_line ADD COLUMN arrived INTEGER",
    "ALTER TABLE rejected_line ADD COLUMN sender INTEGER DEFAULT 0",
    "CREATE INDEX ix_rejected_line_sender ON rejected_line (sender) WHERE text IS NOT NULL",
    """
CREATE TABLE reject_sender (
    sender INTEGER NOT NULL,
    since INTEGER NOT NULL,
    lines INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    dropped_lines INTEGER NOT NULL,
    dropped_bytes INTEGER NOT NULL,
    PRIMARY KEY (sender)
)
""",
    """
INSERT INTO reject_sender (sender, since, lines, bytes, dropped_lines, dropped_bytes)
SELECT 0, CAST(strftime('%s', 'now') AS INTEGER) * 1000, count(text), sum(length(text)), 0, 0
FROM rejected_line HAVING count(text) > 0
""",
)


def _hashed(table: str, column: str) -> tuple[str, ...]:
    """Return statements that put keyed hashes in place of the index on the texts of a table.

    They are copied into a table of the same name, since SQLite cannot drop a constraint. What
    refers to the table keeps its name by `legacy_alter_table`.
    """
    copied = f"SELECT id, {column}, keyed_hash({column}, (SELECT secret FROM store))"  # noqa: S608
    return (
        f"ALTER TABLE {table} RENAME TO old_{table}",
        f"""
CREATE TABLE {table} (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    {column} TEXT,
    hash INTEGER
)
""",
        f"INSERT INTO {table} (id, {column}, hash) {copied} FROM old_{table} ORDER BY id",
        f"DROP TABLE old_{table}",
        f"CREATE INDEX ix_{table}_hash ON {table} (hash)",
    )


# What lets a user be erased in short transactions, and keeps an erased user from coming back. An
# index holds its entries in order, so growing moves some of them to other pages of the file, which
# leaves copies behind: so no text stands in an index, but a hash of it.
_ERASURE = (
    "DROP VIEW readable_page_view",
    "PRAGMA legacy_alter_table = ON",
    *_hashed("user", "user_id"),
    *_hashed("page", "name"),
    "PRAGMA legacy_alter_table = OFF",
    """
CREATE VIEW readable_page_view AS
SELECT user.user_id, page.name,
       strftime('%Y-%m-%dT%H:%M:%S', ts / 1000, 'unixepoch') || printf('.%03dZ', ts % 1000)
       AS timestamp
FROM page_view JOIN user ON user.id = page_view.user JOIN page ON page.id = page_view.page
WHERE user.user_id IS NOT NULL
""",
    """
CREATE TABLE erasure (
    user INTEGER NOT NULL,
    digest BLOB,
    page_views INTEGER NOT NULL,
    page_names INTEGER NOT NULL,
    rejected_lines INTEGER NOT NULL,
    touched INTEGER NOT NULL,
    finished INTEGER NOT NULL,
    PRIMARY KEY (user),
    FOREIGN KEY(user) REFERENCES user (id)
)
""",
    """
CREATE TABLE doomed_page (
    page INTEGER NOT NULL,
    user INTEGER NOT NULL,
    PRIMARY KEY (page),
    FOREIGN KEY(page) REFERENCES page (id),
    FOREIGN KEY(user) REFERENCES user (id)
)
""",
    """
CREATE TABLE erased_user (
    digest BLOB NOT NULL,
    erased INTEGER NOT NULL,
    until INTEGER NOT NULL,
    sources INTEGER NOT NULL,
    PRIMARY KEY (digest)
) WITHOUT ROWID
""",
    "CREATE INDEX ix_erased_user_erased ON erased_user (erased)",
)

# Since when files are asked for by name; and which files were taken from their beginnings though
# something of them had been taken before (`anew`: when that was no rotation; both in ms).
_WATCH = (
    """
CREATE TABLE asked (
    source INTEGER NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (source),
    FOREIGN KEY(source) REFERENCES source (id)
)
""",
    """
CREATE TABLE begun_again (
    progress INTEGER NOT NULL,
    anew INTEGER,
    PRIMARY KEY (progress),
    FOREIGN KEY(progress) REFERENCES progress (id)
)
""",
)

_STEPS = (_FIRST, _SUMMARIES, _ARRIVALS, _PROGRESS, (*_STORE, *_REJECTS, *_ERASURE, *_WATCH))
VERSION = len(_STEPS)
"""Of the tables, as this program knows them."""


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Lead a store from a version (0: an empty file) to the newest, in the open transaction."""
    connection.create_function("keyed_hash", 2, keyed_hash, deterministic=True)
    for statements in _STEPS[version:]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


# Of a new store. Page views that come in their own order change almost a page each, which is then
# written whole, twice: half of SQLite's 4 KiB is 1.2 times as fast, and 3 % slower for an ingest.
_BYTES_OF_A_PAGE = 2048


def create(path: Path) -> None:
    """Make an empty file a store, under the store's lock."""
    with closing(connect(path, "rwc")) as connection:
        if check_version(connection, path):
            return
        connection.execute(f"PRAGMA page_size = {_BYTES_OF_A_PAGE}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        migrate(connection, version=0)
        connection.execute("COMMIT")


def migrate_exclusively(
    connection: sqlite3.Connection, path: Path, version: int, lock_timeout: float
) -> None:
    """Migrate the store to the newest schema, under its lock.

    Takes exclusive access; raises StoreBusy if other processes keep the store open longer than
    `lock_timeout` seconds.
    """
    _wait_until_alone(connection, path, lock_timeout)
    connection.execute("BEGIN IMMEDIATE")
    try:
        migrate(connection, version)
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        connection.execute("PRAGMA journal_mode = WAL")


def _wait_until_alone(connection: sqlite3.Connection, path: Path, lock_timeout: float) -> None:
    """Leave WAL mode, which SQLite allows only who is alone; StoreBusy if it takes too long."""
    deadline = time.monotonic() + lock_timeout
    while True:
        try:
            connection.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in BUSY:
                raise
            if time.monotonic() > deadline:
                message = "it is of an older version, and a program still has it open; end that"
                raise StoreBusy(f"the store {path} is busy: {message}") from None
            time.sleep(0.01)
        else:
            return


def check_version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the version of the store, 0 for an empty file; NotAStore if it is not one of ours."""
    connection.execute("BEGIN")  # to see all of it at one moment: another process may be making it
    try:
        (application_id,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        ours = application_id == APPLICATION_ID
        foreign = not ours and connection.execute("SELECT 1 FROM sqlite_schema").fetchone()
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    if ours:
        if version > VERSION:
            message = f"{path} was written by a newer behavstats (store version {version})"
            raise NotAStore(message)
        return int(version)
    if application_id or foreign:
        raise NotAStore(f"{path} is a database of another program")
    return 0


def check_still_ours(connection: sqlite3.Connection, path: Path) -> None:
    """Raise NotAStore if a newer program has led the store on since it was opened."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != VERSION:
        raise NotAStore(f"{path} is of version {version} now, which this program is not")

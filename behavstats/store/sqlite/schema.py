"""The schema: the statements that lead from each version of a store to the next.

Released statements never change. `tables` describes the newest version, and a test compares both.
The statements are text, because importing SQLModel takes longer than creating a store.
"""

APPLICATION_ID = 0x62737473  # "bsts", in the header of each store's file

# Texts are interned: `user` and `page` give them integer keys, which are never reused, so a page
# view is three integers. The view is for people who open the file with SQL.
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

# Finds the days with many page views user by user and day by day, since sorting all page views
# would take memory for all of them.
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

# Rollups of the hours and days in which a user has many page views, and the days for which rollups
# may be missing: at first, all days with many page views.
_ROLLUPS = (
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

# Messages whose page view has the time of their arrival. Sent again, they would get another time.
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

# The offsets of watched files. Their names have a table of their own, apart from what changes with
# each batch, so that they are never moved within the file and can be erased like other texts.
_SOURCE_OFFSETS = (
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

# The identity of a store, in one row. Each copy of a store has its own epoch; `secret` is the key
# of digests; for `state` and `follows`, see `log_chain`.
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

# What limits the rejected lines that are kept: the arrival time of each (unknown for older ones),
# its sender, and totals for each sender. The index leads to a sender's oldest line.
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
    """Return statements that replace the index on the texts of a table by one on keyed hashes.

    They copy the rows into a new table of the same name, since SQLite cannot drop a constraint.
    `legacy_alter_table` keeps references to the table as they are.
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


# Tables for erasing a user in short transactions, and for keeping an erased user from coming back.
# An index keeps its entries sorted, so growing moves entries to other pages of the file and leaves
# copies behind. Therefore indexes hold hashes in place of texts.
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

# Since when (ms) names have been watched; and which files were read from their beginning although
# they had been ingested before, with the time of that (`anew`, ms) unless a rotation explains it.
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

MIGRATIONS = (
    _FIRST,
    _ROLLUPS,
    _ARRIVALS,
    _SOURCE_OFFSETS,
    (*_STORE, *_REJECTS, *_ERASURE, *_WATCH),
)
"""For each version, the statements that lead to it from the one before."""

VERSION = len(MIGRATIONS)
"""The schema version of this program."""

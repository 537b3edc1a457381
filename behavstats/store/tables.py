"""The tables of a store; there is one version of them so far.

Text is interned: `user` and `page` give it integers, never used twice, so that a page view is three
of them. What is erased from `user`, `page` and `rejected_line` is overwritten in place and leaves
an empty row: deleting rows makes SQLite move their neighbours to other pages, and the copies that
this leaves behind in unused space would outlive a later erasure (`secure_delete` clears what is
deleted, not what was moved).
"""

import sqlite3

from sqlalchemy import Column, LargeBinary, MetaData, Text
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateTable
from sqlmodel import Field, SQLModel

from behavstats.store.database import APPLICATION_ID, VERSION


class _Base(SQLModel):
    """What all tables share: metadata of their own, so that nobody else's tables get in."""

    metadata = MetaData()


class User(_Base, table=True):
    """A user's id and its key; without an id once forgotten."""

    __tablename__ = "user"
    __table_args__ = {"sqlite_autoincrement": True}

    id: int | None = Field(default=None, primary_key=True)
    user_id: str | None = Field(default=None, sa_column=Column(Text, unique=True))


class Page(_Base, table=True):
    """A page's name and its key; without a name once nobody is left who viewed it."""

    __tablename__ = "page"
    __table_args__ = {"sqlite_autoincrement": True}

    id: int | None = Field(default=None, primary_key=True)
    name: str | None = Field(default=None, sa_column=Column(Text, unique=True))


class StoredPageView(_Base, table=True):
    """A page view; `ts` in ms since the epoch, UTC. Its key is its identity and all of it.

    The foreign keys are declared and checked on demand, not enforced on each row: the keys come
    from the same transaction, and looking them up again costs a third of an ingest.
    """

    __tablename__ = "page_view"
    __table_args__ = {"sqlite_with_rowid": False}

    user: int = Field(primary_key=True, foreign_key="user.id")
    ts: int = Field(primary_key=True)
    page: int = Field(primary_key=True, foreign_key="page.id")


class RejectedLine(_Base, table=True):
    """A line of an input that is no page view; empty once it was erased for a user it names.

    `digest` covers source, line and text, so that reading a file again keeps no line twice.
    """

    __tablename__ = "rejected_line"
    __table_args__ = {"sqlite_autoincrement": True}

    id: int | None = Field(default=None, primary_key=True)
    digest: bytes | None = Field(default=None, sa_column=Column(LargeBinary, unique=True))
    source: str | None = None
    line: int | None = None
    offset: int | None = None
    length: int | None = None
    reason: str | None = None
    message: str | None = None
    text: bytes | None = Field(default=None, sa_column=Column(LargeBinary))


# For a person who opens the file with SQL.
_READABLE_VIEW = """
CREATE VIEW readable_page_view AS
SELECT user.user_id, page.name,
       strftime('%Y-%m-%dT%H:%M:%S', ts / 1000, 'unixepoch') || printf('.%03dZ', ts % 1000)
       AS timestamp
FROM page_view JOIN user ON user.id = page_view.user JOIN page ON page.id = page_view.page
"""


def create(connection: sqlite3.Connection) -> None:
    """Create the tables in an empty file, inside the transaction that is open."""
    dialect = sqlite.dialect()
    for table in _Base.metadata.sorted_tables:
        connection.execute(str(CreateTable(table).compile(dialect=dialect)))
    connection.execute(_READABLE_VIEW)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")

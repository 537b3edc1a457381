"""The tables of a store in their newest version, to which the statements in `schema` lead.

Texts are interned: `user` and `page` give them integer keys, which are never reused, so a page view
is three integers. What is erased from `user`, `page`, `rejected_line` and `source` is overwritten
in place and leaves an empty row. Deleting a row would make SQLite move its neighbours to other
pages, and the copies left in unused space would outlive a later erasure (`secure_delete` clears
deleted data, not moved data). An index moves its entries as it grows, so the indexes of users and
pages hold keyed hashes and no texts. Only empty rows of `rejected_line` that lie among empty rows
are deleted.
"""

from sqlalchemy import Column, Index, Integer, LargeBinary, MetaData, Text, UniqueConstraint
from sqlalchemy import text as sql
from sqlmodel import Field, SQLModel


class _Base(SQLModel):
    """The base of all tables, with metadata apart from those of other programs."""

    metadata = MetaData()


class User(_Base, table=True):
    """A user's key, id and hash of the id; id and hash are NULL once the user is erased."""

    __tablename__ = "user"
    __table_args__ = {"sqlite_autoincrement": True}

    id: int | None = Field(default=None, primary_key=True)
    user_id: str | None = Field(default=None, sa_column=Column(Text))
    hash: int | None = Field(default=None, index=True)


class Page(_Base, table=True):
    """A page's key, name and hash of the name.

    Name and hash are NULL once the last user who viewed the page has been erased.
    """

    __tablename__ = "page"
    __table_args__ = {"sqlite_autoincrement": True}

    id: int | None = Field(default=None, primary_key=True)
    name: str | None = Field(default=None, sa_column=Column(Text))
    hash: int | None = Field(default=None, index=True)


class StoredPageView(_Base, table=True):
    """A page view; `ts` is in ms since the epoch, UTC. All columns form the primary key.

    The foreign keys are checked on demand, and not enforced on each row, since looking up keys that
    come from the same transaction would cost a third of an ingest.
    """

    __tablename__ = "page_view"
    __table_args__ = {"sqlite_with_rowid": False}

    user: int = Field(primary_key=True, foreign_key="user.id")
    ts: int = Field(primary_key=True)
    page: int = Field(primary_key=True, foreign_key="page.id")


class RejectedLine(_Base, table=True):
    """A line of an input that is not a page view; empty once it has been erased.

    `digest` covers source, line and text, so that reading a file again keeps no line twice.
    `arrived` (ms) is when the line first arrived, NULL for lines of older stores. For `sender`, see
    `RejectSender`.
    """

    __tablename__ = "rejected_line"
    __table_args__ = (
        Index("ix_rejected_line_sender", "sender", sqlite_where=sql("text IS NOT NULL")),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True)
    digest: bytes | None = Field(default=None, sa_column=Column(LargeBinary, unique=True))
    source: str | None = None
    line: int | None = None
    offset: int | None = None
    length: int | None = None
    reason: str | None = None
    message: str | None = None
    text: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    arrived: int | None = None
    sender: int | None = Field(default=0, sa_column_kwargs={"server_default": sql("0")})


class RejectSender(_Base, table=True):
    """The rejected lines of a sender that are kept, and the bytes of their texts.

    Also counts the lines dropped to stay within the bounds since the counts began (`since`, in ms).
    Sender 0 stands for all files and standard input, and 1 for all requests to a server without
    keys; each other sender is a key of the server.
    """

    __tablename__ = "reject_sender"

    sender: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    since: int
    lines: int
    bytes: int
    dropped_lines: int
    dropped_bytes: int


class StoredRollup(_Base, table=True):
    """A rollup: the summary of a user's page views in an hour or a day; `start` and `span` in ms.

    It is derived from `page_view` and always correct: changing page views deletes their rollups.
    Where there is no rollup, page views are read. `pages` holds the tallies in the format of
    `behavstats.model.summary_vectorized`.
    """

    __tablename__ = "summary"

    user: int = Field(primary_key=True, foreign_key="user.id")
    span: int = Field(primary_key=True)
    start: int = Field(primary_key=True)
    first: int
    last: int
    views: int
    time: int
    visits: int
    pages: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class StaleDay(_Base, table=True):
    """A stale day of a user, by its first ms: rollups of it may be missing."""

    __tablename__ = "unsettled_day"
    __table_args__ = {"sqlite_with_rowid": False}

    user: int = Field(primary_key=True, foreign_key="user.id")
    start: int = Field(primary_key=True)


class DatedByArrival(_Base, table=True):
    """The arrival key of a message whose page view has the time at which the message arrived.

    Sent again, the message would get another time. `message` is a digest of the id that the sender
    gave the message, or of the page view with its claimed time (see `arrival_keys`).
    """

    __tablename__ = "dated_by_arrival"
    __table_args__ = {"sqlite_with_rowid": False}

    user: int = Field(primary_key=True, foreign_key="user.id")
    message: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))


class Source(_Base, table=True):
    """The name of a watched file; NULL once it is erased, or once the file has another name."""

    __tablename__ = "source"
    __table_args__ = {"sqlite_autoincrement": True}

    id: int | None = Field(default=None, primary_key=True)
    name: str | None = None


class StoredOffset(_Base, table=True):
    """A source offset: all lines before `offset` (bytes, decompressed) have been processed.

    The file is identified by device and inode, and by `head`, a digest of its prefix; `tail` is a
    digest of the `tail_length` bytes before the offset. Without a device, no file holds the content
    any more. `modified` (ns) is the modification time of a compressed file that was read to its
    end; `taken` (ms) is when its lines were last stored, and `size` that of its content then.
    """

    __tablename__ = "progress"
    __table_args__ = (UniqueConstraint("device", "inode"),)

    id: int | None = Field(default=None, primary_key=True)
    source: int = Field(foreign_key="source.id")
    device: int | None = None
    inode: int | None = None
    head: bytes = Field(sa_column=Column(LargeBinary, nullable=False, index=True))
    offset: int
    tail: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    tail_length: int
    lines: int
    rejected: int
    size: int
    modified: int | None = None
    taken: int


class StoredStore(_Base, table=True):
    """The identity of the store, in one row: the epoch of this copy, and the key of its digests.

    `state` and `follows` say which write-ahead log belongs to the store; see
    `behavstats.store.sqlite.log_chain`.
    """

    __tablename__ = "store"

    id: int | None = Field(default=None, primary_key=True)
    epoch: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    secret: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    state: str
    follows: str


class Asked(_Base, table=True):
    """Since when (ms) a name has been watched that was given on the command line."""

    __tablename__ = "asked"

    source: int | None = Field(default=None, primary_key=True, foreign_key="source.id")
    since: int


class BegunAgain(_Base, table=True):
    """A file that was read from its beginning although it, or one in its folder, was known before.

    `anew` (ms) is when that happened; NULL if a rotation explains it.
    """

    __tablename__ = "begun_again"

    progress: int | None = Field(default=None, primary_key=True, foreign_key="progress.id")
    anew: int | None = None


class Erasure(_Base, table=True):
    """An erasure in progress: the row in `user` is empty already, but page views may be left.

    The counts say what has been erased so far, and `touched` (ms) when. Nothing is left once
    `finished` is 1 (before, it is 0). `digest` is a keyed digest of the user's id, by which a
    repeated request finds the erasure; it is removed when the receipt is returned.
    """

    __tablename__ = "erasure"

    user: int = Field(primary_key=True, foreign_key="user.id")
    digest: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    page_views: int
    page_names: int
    rejected_lines: int
    touched: int
    finished: int


class DoomedPage(_Base, table=True):
    """A page that an erased user viewed; if no other user viewed it, its name is erased, too.

    `user` is the last user whose page views of the page were erased. A transaction that adds a page
    view of the page deletes the row.
    """

    __tablename__ = "doomed_page"

    page: int = Field(primary_key=True, foreign_key="page.id")
    user: int = Field(foreign_key="user.id")


class ErasedUser(_Base, table=True):
    """A user who was erased while files were watched, by a keyed digest of the id.

    When a file is read from its beginning again, page views of the user up to `until` (ms) are left
    out. `until` is the time of the erasure (`erased`, ms) or of the user's newest page view,
    whichever is later. `sources` is the greatest id in `progress` at the erasure; the row is
    deleted once no source offset from before the erasure is left.
    """

    __tablename__ = "erased_user"
    __table_args__ = {"sqlite_with_rowid": False}

    digest: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    erased: int = Field(index=True)
    until: int
    sources: int

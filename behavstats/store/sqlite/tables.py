"""The tables of a store, in its newest version (`schema` leads there).

Text is interned: `user` and `page` give it integers, never used twice, so that a page view is three
of them. What is erased from `user`, `page`, `rejected_line` and `source` is overwritten in place
and leaves an empty row: deleting rows makes SQLite move their neighbours to other pages, and the
copies that this leaves behind in unused space would outlive a later erasure (`secure_delete` clears
what is deleted, not what was moved). An index moves what it holds as it grows, so that of users and
pages it holds keyed hashes, and no text. Of `rejected_line`, empty rows among empty rows are
deleted.
"""

from sqlalchemy import Column, Index, Integer, LargeBinary, MetaData, Text, UniqueConstraint
from sqlalchemy import text as sql
from sqlmodel import Field, SQLModel


class _Base(SQLModel):
    """What all tables share: metadata of their own, so that nobody else's tables get in."""

    metadata = MetaData()


class User(_Base, table=True):
    """A user's id, a keyed hash of it, and its key; without the first two once forgotten."""

    __tablename__ = "user"
    __table_args__ = {"sqlite_autoincrement": True}

    id: int | None = Field(default=None, primary_key=True)
    user_id: str | None = Field(default=None, sa_column=Column(Text))
    hash: int | None = Field(default=None, index=True)


class Page(_Base, table=True):
    """A page's name, a keyed hash of it, and its key; without the first two once erased.

    That is when nobody is left who viewed it.
    """

    __tablename__ = "page"
    __table_args__ = {"sqlite_autoincrement": True}

    id: int | None = Field(default=None, primary_key=True)
    name: str | None = Field(default=None, sa_column=Column(Text))
    hash: int | None = Field(default=None, index=True)


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
    `arrived` (ms) is when it came first, None of lines of older stores; `sender` tells from whom.
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
    """What is kept of the rejected lines of a sender: lines, and the bytes of their texts.

    And how many were dropped since the counts began (`since`, in ms), for the bounds' sake. Sender
    0 is all files and standard input, 1 all who send to a server without keys; others stand for a
    key (`behavstats.server.auth`).
    """

    __tablename__ = "reject_sender"

    sender: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    since: int
    lines: int
    bytes: int
    dropped_lines: int
    dropped_bytes: int


class StoredSummary(_Base, table=True):
    """A summary of the page views of a user in an hour or a day; `start` and `span` in ms.

    Derived from `page_view`. Where it stands, it is right; where none stands, page views are read.
    `pages` holds the tallies, as `behavstats.model.summary_vectorized` writes them.
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


class UnsettledDay(_Base, table=True):
    """A day of a user, by its first ms, in which a summary may be missing."""

    __tablename__ = "unsettled_day"
    __table_args__ = {"sqlite_with_rowid": False}

    user: int = Field(primary_key=True, foreign_key="user.id")
    start: int = Field(primary_key=True)


class DatedByArrival(_Base, table=True):
    """A message of a user whose page view has its instant from when the message arrived.

    Sent again, it would have another one. `message` is a digest: of the id that its sender gave it,
    or of the page view as the message tells it (`arrivals`).
    """

    __tablename__ = "dated_by_arrival"
    __table_args__ = {"sqlite_with_rowid": False}

    user: int = Field(primary_key=True, foreign_key="user.id")
    message: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))


class Source(_Base, table=True):
    """The name of a file that is followed; empty once it was erased, or the file has another."""

    __tablename__ = "source"
    __table_args__ = {"sqlite_autoincrement": True}

    id: int | None = Field(default=None, primary_key=True)
    name: str | None = None


class Progress(_Base, table=True):
    """How far a file was taken: all lines before `offset` (bytes, decompressed) are dealt with.

    Its identity is device and inode, and `head`, a digest of its beginning; `tail` is one of the
    `tail_length` bytes before the offset. Without a device, its content is in no file any more.
    `modified` (ns) is when a compressed file was written that was taken to its end; `taken` (ms),
    when lines of it were stored last. `size` is that of the content, as it was known then.
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
    """The store itself, in one row: the epoch of this copy, and the key of its digests.

    `state` and `follows` say which write-ahead log belongs to it; see
    `behavstats.store.sqlite.log_chain`.
    """

    __tablename__ = "store"

    id: int | None = Field(default=None, primary_key=True)
    epoch: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    secret: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    state: str
    follows: str


class Asked(_Base, table=True):
    """Since when (ms) a file is followed that was asked for by its name."""

    __tablename__ = "asked"

    source: int | None = Field(default=None, primary_key=True, foreign_key="source.id")
    since: int


class BegunAgain(_Base, table=True):
    """A file that was taken from its beginning though it, or one beside it, was known before.

    `anew` (ms) is when, unless it was rotated, so that this is what has to be.
    """

    __tablename__ = "begun_again"

    progress: int | None = Field(default=None, primary_key=True, foreign_key="progress.id")
    anew: int | None = None


class Erasure(_Base, table=True):
    """A user who is being erased: the row in `user` is empty already, and page views may be left.

    The counts say what was erased so far, and `touched` (ms) when that was; nothing is left once it
    is `finished` (1, else 0). `digest` is a keyed digest of the user's id, by which the erasure is
    found when it is asked for again; it goes when the receipt is given.
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
    """A page that an erased user viewed, and maybe nobody else: then its name is erased, too.

    `user` is the last one of whom page views of it were erased. Whatever adds a page view of the
    page deletes the row in the same transaction.
    """

    __tablename__ = "doomed_page"

    page: int = Field(primary_key=True, foreign_key="page.id")
    user: int = Field(foreign_key="user.id")


class ErasedUser(_Base, table=True):
    """A user who was erased, by a keyed digest of the id, while files were followed.

    Page views up to the instant `until` (ms) are not taken from a file that is taken anew: the
    later one of when the user was `erased` (ms), and of the user's newest page view. `sources` is
    the greatest id in `progress` then: the row goes once nothing is left of what was taken before.
    """

    __tablename__ = "erased_user"
    __table_args__ = {"sqlite_with_rowid": False}

    digest: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    erased: int = Field(index=True)
    until: int
    sources: int

"""What every store takes and returns: the value types of its verbs."""

from collections.abc import Sequence
from typing import NamedTuple

from behavstats.model.page_view import Rejection


class Checkpoint(NamedTuple):
    """A place in a file's content: all `lines` before `offset` (bytes) are dealt with.

    `head` is a digest of the content's beginning, `tail` one of the `tail_length` bytes before the
    offset: by these a file is known again.
    """

    offset: int
    lines: int
    head: bytes
    tail: bytes
    tail_length: int


class SourceOffset(NamedTuple):
    """How far a file was taken, as the store has it.

    `name` is None once it was erased; `device` and `inode`, once its content is in no file any
    more. `size` in bytes of the content, `taken` in ms since the epoch. `modified` in ns, of a
    compressed file that was taken to its end. `is_again` says that the file, or one beside it, was
    known before it was taken from its beginning; `anew` when that was (ms), if it is a surprise.
    """

    id: int
    name: str | None
    device: int | None
    inode: int | None
    checkpoint: Checkpoint
    rejected: int
    size: int
    modified: int | None
    taken: int
    is_again: bool = False
    anew: int | None = None

    @property
    def lag(self) -> int:
        """The bytes that are there and were not taken yet, as far as that was known."""
        return max(0, self.size - self.checkpoint.offset)


class OffsetUpdate(NamedTuple):
    """How far a file was taken now; `expected` is the offset before, None if there was none.

    Then, `is_again` and `anew` are written down as well (see `SourceOffset`).
    """

    name: str
    device: int
    inode: int
    expected: int | None
    checkpoint: Checkpoint
    rejected: int
    size: int
    modified: int | None
    taken: int
    is_again: bool = False
    anew: int | None = None


class Receipt(NamedTuple):
    """What was erased of a user: how many page views, page names and rejected lines."""

    user_id: str
    page_views: int
    page_names: int
    rejected_lines: int


# What is inserted in one transaction: others wait meanwhile.
_MOST_LINES = 1_000
_MOST_BYTES = 512 * 1024


class Selection(NamedTuple):
    """Of the rejected lines, those of a source (by one of two names) and a reason, if given."""

    source: str | None = None
    path: str | None = None
    reason: str | None = None


class Group(NamedTuple):
    """Rejected lines of one source with one reason; when the first and last arrived, in ms.

    None where that is not known.
    """

    source: str
    reason: str
    lines: int
    first: int | None
    last: int | None


class Totals(NamedTuple):
    """What is kept, and what was dropped since an instant in ms: lines, and bytes of their text."""

    lines: int
    bytes: int
    dropped_lines: int
    dropped_bytes: int
    since: int | None


def pieces(rejections: Sequence[Rejection]) -> list[list[Rejection]]:
    """Cut what is to be kept into pieces that a transaction may insert without being long."""
    cut: list[list[Rejection]] = []
    size = 0
    for rejection in rejections:
        size += len(rejection.text)
        if not cut or len(cut[-1]) >= _MOST_LINES or size > _MOST_BYTES:
            cut.append([])
            size = len(rejection.text)
        cut[-1].append(rejection)
    return cut


class Statistics(NamedTuple):
    """What a store holds; the oldest and the newest instant in ms since the epoch.

    `top_pages` are the ten most viewed pages and their views; of two with as many, the smaller name
    comes first. `size` is that of the store's files, in bytes.
    """

    users: int
    page_views: int
    oldest: int | None
    newest: int | None
    top_pages: list[tuple[str, int]]
    rejected_lines: int
    size: int

"""The interface of every store: its protocols, and the value types that they use.

The rest of the program is typed against the protocols, so an engine is a class that satisfies
`Store`, and nothing outside its package knows which engine is in use.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

from behavstats.model.page_view import PageView, Rejection

if TYPE_CHECKING:
    from behavstats.model.columns import PageViews
    from behavstats.model.profile import Window
    from behavstats.model.summary import Summary


class Checkpoint(NamedTuple):
    """A position in a file's content: all `lines` before `offset` (bytes) have been processed.

    `prefix` is a digest of the beginning of the content, `suffix` a digest of the `suffix_length`
    bytes before the offset. They identify the file when it is seen again.
    """

    offset: int
    lines: int
    prefix: bytes
    suffix: bytes
    suffix_length: int


class SourceOffset(NamedTuple):
    """How far a watched file has been ingested, as the store knows it.

    `name` is None once it has been erased. `device` and `inode` are None once no file holds the
    content any more. `size` is the length of the content in bytes, `taken` the time of the last
    update in ms since the epoch, and `modified` the modification time in ns of a compressed file
    that was read to its end. `is_read_again` says that the file was ingested from its beginning
    although this file, or another one in its folder, was known before. `read_again_at` is the time
    of that in ms, or None if a rotation explains it.
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
    is_read_again: bool = False
    read_again_at: int | None = None

    @property
    def lag(self) -> int:
        """The bytes that are not ingested yet, going by the last known size."""
        return max(0, self.size - self.checkpoint.offset)


class OffsetUpdate(NamedTuple):
    """The new offset of a watched file; stored in the transaction that stores its lines.

    `expected` is the offset before, or None if the file is new to the store. Only a new file has
    its `is_read_again` and `read_again_at` stored (see `SourceOffset`).
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
    is_read_again: bool = False
    read_again_at: int | None = None


class Receipt(NamedTuple):
    """What was erased of a user: the numbers of page views, page names and rejected lines."""

    user_id: str
    page_views: int
    page_names: int
    rejected_lines: int


class Restored(NamedTuple):
    """What a restored store holds, and the file that keeps the replaced store, if there was one."""

    users: int
    page_views: int
    kept: Path | None


class Selection(NamedTuple):
    """Selects rejected lines by source (which may have two names) and by reason, where given."""

    source: str | None = None
    path: str | None = None
    reason: str | None = None


EVERYTHING = Selection()
"""Selects all rejected lines."""


class Group(NamedTuple):
    """The number of rejected lines of one source and reason.

    `first` and `last` are the arrival times in ms of the first and the last line, None if unknown.
    """

    source: str
    reason: str
    lines: int
    first: int | None
    last: int | None


class Totals(NamedTuple):
    """The rejected lines that are kept, and those dropped since `since` (ms), with their bytes."""

    lines: int
    bytes: int
    dropped_lines: int
    dropped_bytes: int
    since: int | None


class Statistics(NamedTuple):
    """What a store holds. `oldest` and `newest` are in ms since the epoch.

    `top_pages` are the ten most viewed pages with their views; ties are sorted by name. `size` is
    the size of the store in bytes.
    """

    users: int
    page_views: int
    oldest: int | None
    newest: int | None
    top_pages: list[tuple[str, int]]
    rejected_lines: int
    size: int


# The most rejected lines inserted in one transaction, for which other writers wait.
_MOST_LINES = 1_000
_MOST_BYTES = 512 * 1024


def pieces(rejections: Sequence[Rejection]) -> list[list[Rejection]]:
    """Split rejected lines into lists that are small enough for one short transaction each."""
    cut: list[list[Rejection]] = []
    size = 0
    for rejection in rejections:
        size += len(rejection.text)
        if not cut or len(cut[-1]) >= _MOST_LINES or size > _MOST_BYTES:
            cut.append([])
            size = len(rejection.text)
        cut[-1].append(rejection)
    return cut


def is_among(files: Iterable[Path], path: str | Path) -> bool:
    """Return whether a path leads to one of the files, under any name or link."""
    with suppress(OSError, ValueError):
        return any(file.exists() and os.path.samefile(file, path) for file in files)
    return False


class Erasures(Protocol):
    """Users who have been erased; true if there are any.

    This is a snapshot: ask the store again for erasures that come later.
    """

    def __bool__(self) -> bool: ...

    def has_any(self, user_ids: Iterable[str]) -> bool:
        """Return whether one of the texts is the id of an erased user."""

    def without(self, views: "PageViews") -> "tuple[PageViews, int]":
        """Return the page views without those that erased users made before their erasure.

        The number is that of the page views left out. Page views made after the erasure stay.
        """


class SourceOffsets(Protocol):
    """How far each watched file has been ingested. `StoreWriter.load` advances the offsets."""

    def all(self) -> list[SourceOffset]:
        """Return all source offsets, sorted by name."""

    def of(self, device: int, inode: int) -> SourceOffset | None:
        """Return the offset of a file, or None if nothing of it has been ingested."""

    def by_prefixes(self, prefixes: Sequence[bytes]) -> list[SourceOffset]:
        """Return the offsets of files with one of these prefix digests, the largest first."""

    def asked_since(self, names: Sequence[str], now: int) -> list[int]:
        """Return since when (ms) each name has been watched; a new name is stored with `now`."""

    def move(self, of: SourceOffset, file: tuple[int, int] | None) -> None:
        """Record that a content is now in another file (device and inode), or in no file."""

    def mark_rotated(self, device: int, inode: int) -> None:
        """Record that a file was read from its beginning because it had been rotated."""

    def forget(self, name: str) -> None:
        """Delete the offsets of the files with this name. Raise UnknownSource if there are none."""

    def erasures_since(self, instant: int) -> Erasures:
        """Return the users erased since an instant (ms) whom watched files may mention."""


class RejectedLines(Protocol):
    """The rejected lines that a store keeps."""

    def read(self, selection: Selection) -> Iterator[tuple[int, Rejection]]:
        """Yield the selected lines with their numbers, in the order in which they arrived."""

    def groups(self, selection: Selection) -> list[Group]:
        """Return the number of selected lines for each source and reason."""

    def totals(self) -> Totals:
        """Return how many lines are kept, and how many have been dropped."""

    def clear(
        self, selection: Selection = EVERYTHING, up_to: int | None = None, *, whole: bool = True
    ) -> int:
        """Erase the selected lines up to a number, and return how many there were.

        Unless `whole`, lines of which only the beginning is kept are not erased.
        """

    def trim(self, now: int, seconds: float) -> bool:
        """Delete what exceeds the bounds at `now` (ms), for about `seconds`.

        Return whether there may be more to do.
        """


class StoreReader(Protocol):
    """The operations that read page views."""

    def summary(self, user_id: str, window: "Window") -> "Summary":
        """Return the summary of a user's page views in a window.

        Raise UnknownUser if the store holds no page view of the user at all.
        """

    def page_views(self, user_id: str) -> Iterator[list[PageView]]:
        """Yield all page views of a user in order of time, some thousands in each list.

        Raise UnknownUser if there are none.
        """

    def newest(self) -> int:
        """Return the time of the newest page view in ms, or 0; reads all page views."""

    def counts(self) -> tuple[int, int]:
        """Return the number of page views and the number of rollups."""

    def statistics(self) -> Statistics:
        """Count what the store holds; reads all page views."""

    def check_readable(self) -> None:
        """Raise StoreError if the store cannot be read."""


class StoreWriter(Protocol):
    """The operations that change page views and rejected lines. Changes are durable on return."""

    def add(self, views: Sequence[PageView], rejections: Sequence[Rejection] = ()) -> int:
        """Store page views and rejected lines, in one transaction unless there are many lines.

        Return how many of the page views are new.
        """

    def load(
        self,
        views: "PageViews",
        rejections: Sequence[Rejection] = (),
        updates: Sequence[OffsetUpdate] = (),
    ) -> Iterator[tuple[int, int]]:
        """Store many page views in transactions of bounded size; must be iterated to the end.

        After each transaction, yield how many page views it held and how many of them are new. The
        last transaction holds the offset updates. Raise OffsetConflict if another process has
        stored a newer offset.
        """

    def forget(self, user_id: str) -> Receipt:
        """Erase a user. Raise UnknownUser if the store holds nothing of the user."""

    def check_writable(self) -> None:
        """Raise StoreError if the store cannot be written to."""

    def wait_at_most(self, seconds: float) -> None:
        """From now on, wait only so long before raising StoreBusy, and never call `on_wait`."""


class StoreMaintenance(Protocol):
    """The operations that keep a store sound and small."""

    def refresh_rollups(self, seconds: float = ...) -> bool:
        """Compute missing rollups for about `seconds`; return whether there may be more to do."""

    def maintain(self) -> None:
        """Do the housekeeping that makes the store small and fast to open, unless it is busy."""

    def ensure_available(self) -> None:
        """Reconnect if the store was replaced; raise StoreError if it cannot be used."""

    def check(self) -> Iterator[str]:
        """Yield a line for each fault that is found; a sound store yields no line."""

    def repair(self) -> None:
        """Recompute all data that is derived from page views."""

    def back_up(self, to: Path, *, force: bool) -> None:
        """Copy the store to a file. Raise BackupError if that fails, or would overwrite a file.

        With `force`, the file may be overwritten.
        """

    def files(self) -> list[Path]:
        """Return the files that belong to the store, whether they exist now or not.

        A store that is not in files has no entry here.
        """

    def sizes(self) -> Mapping[str, int]:
        """Return the size in bytes of each part of the store that is measured, by name."""


class Store(StoreReader, StoreWriter, StoreMaintenance, Protocol):
    """An open store, for any number of threads. Close it, or use it as a context manager.

    Any number of processes may have the same store open. Every method raises StoreError if the
    store cannot do it.
    """

    @property
    def address(self) -> str:
        """Where the store is, for messages and logs; never holds a password."""

    @property
    def rejected(self) -> RejectedLines:
        """The rejected lines."""

    @property
    def offsets(self) -> SourceOffsets:
        """The source offsets of watched files."""

    def close(self) -> None:
        """Release everything that the store holds."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

"""A tracked file: how far a round of the tailer has read, decoded and stored its lines."""

from dataclasses import dataclass
from typing import NamedTuple, Self

from behavstats.store import Checkpoint, OffsetUpdate, SourceOffset
from behavstats.watch.file_id import FileId, leads_to
from behavstats.watch.fingerprint import START
from behavstats.watch.tailed_file import TailedFile


@dataclass(slots=True, eq=False)
class TrackedFile:
    """A file in a round.

    `stored` (an offset; None if the store does not know the file), `decoded` and `read` say how far
    its lines are stored, decoded and read. `rejected` counts its rejected lines, and `size` is that
    of the content in bytes. `modified`, `is_read_again` and `read_again_at` are those of
    `SourceOffset`.
    """

    name: str
    id: FileId
    stored: int | None = None
    decoded: Checkpoint = START
    read: Checkpoint = START
    rejected: int = 0
    size: int = 0
    modified: int | None = None
    is_read_again: bool = False
    read_again_at: int | None = None

    @classmethod
    def resume(cls, file: TailedFile, offset: SourceOffset) -> Self:
        """Return a file that continues from an offset in the store.

        It keeps the name in the store if that name still leads to it.
        """
        name = offset.name if leads_to(offset.name, file.id) else None
        return cls(
            name or file.name,
            file.id,
            stored=offset.checkpoint.offset,
            decoded=offset.checkpoint,
            read=offset.checkpoint,
            rejected=offset.rejected,
            size=offset.size,
            modified=offset.modified,
            is_read_again=offset.is_read_again,
            read_again_at=offset.read_again_at,
        )

    def offset_update(self, now: int) -> OffsetUpdate:
        """Return the update of the source offset of this file; `now` is in ms since the epoch."""
        modified = self.modified if self.decoded.offset == self.size else None
        return OffsetUpdate(
            self.name,
            *self.id,
            expected=self.stored,
            checkpoint=self.decoded,
            rejected=self.rejected,
            size=self.size,
            modified=modified,
            taken=now,
            is_read_again=self.is_read_again,
            read_again_at=self.read_again_at,
        )


class Position(NamedTuple):
    """A position in a tracked file: the checkpoint at the end of a block of its lines."""

    file: TrackedFile
    checkpoint: Checkpoint

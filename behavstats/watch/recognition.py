"""Recognition: decides whether a file is known, a rotated copy of a known file, or new."""

import logging
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from behavstats.errors import SourceError
from behavstats.sources.compression import DAMAGE
from behavstats.sources.file_type import NoText
from behavstats.store import Checkpoint, SourceOffset, Store
from behavstats.watch.discovery import DiscoveredFile
from behavstats.watch.file_state import FileStates
from behavstats.watch.fingerprint import NO_SAMPLE, Sample
from behavstats.watch.locations import FileLocations
from behavstats.watch.named_files import NamedFiles
from behavstats.watch.restarted_files import RestartedFiles
from behavstats.watch.rotation import is_contained, is_likely_copy
from behavstats.watch.round import Round
from behavstats.watch.tailed_file import TailedFile, open_tailed
from behavstats.watch.tracked_file import TrackedFile

_log = logging.getLogger(__name__)


class Recognized(NamedTuple):
    """A file to read, and the sample of the checkpoint up to which it was read."""

    file: TrackedFile
    sample: Sample


class FileRecognizer:
    """Decides from which offset a file is read. It keeps no state of its own."""

    def __init__(
        self,
        store: Store,
        states: FileStates,
        locations: FileLocations,
        named: NamedFiles,
        restarted: RestartedFiles,
    ) -> None:
        self._offsets = store.offsets
        self._states = states
        self._locations = locations
        self._named = named
        self._restarted = restarted

    def recognize(
        self, current: Round, file: TailedFile, found: DiscoveredFile
    ) -> Recognized | None:
        """Return from where to read a file that is not tracked in this round yet.

        Return None if there is nothing to read. Raises StoreError, and SourceError for a file that
        is compressed but incomplete, or is not text.
        """
        offset = self._offsets.of(*file.id)
        if offset is None and not (self._named.is_wanted(found) or any(self._originals(file))):
            self._states.finish(found)
            return None
        if file.is_compressed and not (offset and offset.modified == file.modified):
            self._measure(file, found)
        if offset is None:
            self._check_text(file, found)
        recognized = offset and self._resume(current, file, offset)
        if recognized is None and file.size:  # empty files cannot be distinguished
            recognized = self._start(current, file, found, offset)
        return recognized

    def _resume(self, current: Round, file: TailedFile, offset: SourceOffset) -> Recognized | None:
        """Continue a known file from its offset. Return None if its content was replaced."""
        if file.is_compressed and offset.modified == file.modified:
            sample: Sample | None = NO_SAMPLE  # the file is not read again
        else:
            sample = file.match(offset.checkpoint)
        if sample is None:
            _log.info("%s: its content was replaced", file.name)
            self._locations.note_replaced(offset, file.name)
            self._offsets.move(offset, None)
            return None
        tracked = TrackedFile.resume(file, offset)
        if tracked.name != offset.name is not None:
            current.due.add(tracked)
        return Recognized(tracked, sample)

    def _start(
        self,
        current: Round,
        file: TailedFile,
        found: DiscoveredFile,
        replaced: SourceOffset | None,
    ) -> Recognized | None:
        """Start tracking a new file, or one whose content was `replaced`.

        If it is a rotated copy of a known file, continue from that file's offset, so nothing is
        ingested twice and erased data does not return. Return None if there is nothing to read.
        """
        for offset in self._originals(file):
            if self._is_contained(file, self._locations.path_of(offset)):
                return None
            sample = file.match(offset.checkpoint)
            if sample is not None:
                return Recognized(self._continue(current, file, offset), sample)
        if self._is_copy_of_tracked(current, file):
            current.is_behind = True
            return None
        if not self._named.is_wanted(found):
            self._states.finish(found)
            return None
        return Recognized(self._start_over(current, file, replaced), NO_SAMPLE)

    def _start_over(
        self, current: Round, file: TailedFile, replaced: SourceOffset | None
    ) -> TrackedFile:
        """Track a file from its beginning.

        If a file of this name, or in this folder, is known, the lines of erased users are left out:
        rotated files may have been compressed again, or may be written to replace another one.
        """
        tracked = TrackedFile(file.name, file.id)
        previous = replaced or current.names.latest(file.name)
        tracked.is_read_again = previous is not None or current.names.has_folder_of(file.name)
        if previous is not None:
            tracked.read_again_at = self._restarted.expect_copy(file.id, file.name, previous)
        return tracked

    def _continue(self, current: Round, file: TailedFile, offset: SourceOffset) -> TrackedFile:
        """Continue in a copy from the offset of its original, and in the original if it exists."""
        _log.info("%s: is a copy of %s, and is read from the same offset", file.name, offset.name)
        tracked = TrackedFile.resume(file, offset)
        self._restarted.note_continued(offset)
        if self._locations.path_of(offset) is not None:
            tracked.stored = None
        else:
            self._offsets.move(offset, file.id)
        current.due.add(tracked)
        return tracked

    def _originals(self, file: TailedFile) -> Iterator[SourceOffset]:
        """Yield the known files of which this one may be a copy."""
        for offset in self._offsets.by_prefixes(file.prefix_fingerprints()):
            if _is_likely_copy(file, offset.checkpoint, self._locations.name_of(offset)):
                yield offset

    def _is_copy_of_tracked(self, current: Round, file: TailedFile) -> bool:
        """Return whether a file is a copy of one that this round reads, so it has to wait."""
        for prefix in file.prefix_fingerprints():
            original = current.by_prefix.get(prefix)
            if original is not None and _is_likely_copy(file, original.read, original.name):
                path = self._locations.path_of_file(original.id, original.name)
                if self._is_contained(file, path) or file.match(original.read) is not None:
                    return True
        return False

    @staticmethod
    def _is_contained(file: TailedFile, path: str | None) -> bool:
        """Return whether the file at a path contains everything that this one contains."""
        if path is not None:
            with suppress(SourceError), open_tailed(path) as original:
                return is_contained(file, original)
        return False

    def _measure(self, file: TailedFile, found: DiscoveredFile) -> None:
        """Check that a compressed file is complete; if it is not, wait until it has changed."""
        start = time.monotonic()
        try:
            file.measure()
        except DAMAGE:
            self._states.postpone(found, time.monotonic() - start)
            self._states.finish(found)
            raise

    def _check_text(self, file: TailedFile, found: DiscoveredFile) -> None:
        """Raise NoText if a file is not text; do not decompress it again unless it changes."""
        try:
            file.check_text()
        except NoText:
            if file.is_compressed:
                self._states.finish(found)
            raise


def _is_likely_copy(file: TailedFile, checkpoint: Checkpoint, original: str | None) -> bool:
    common_bytes = min(file.size, checkpoint.offset) - file.nuls
    return is_likely_copy(file.name, original, common_bytes)

"""Taking what is new in files that are followed, in batches that say how far each file was taken.

A batch is stored with the progress of its files: in one transaction, or, if it is a large one, with
progress and rejected lines in the last. What the ones before it hold are page views, which are
stored once however often they come.
"""

import logging
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing

from behavstats.decode.vectorized import Decoded
from behavstats.errors import SourceError, detached
from behavstats.ingest.batch import Batch
from behavstats.ingest.decode_process import DecodeProcess
from behavstats.ingest.prefetch import Prefetcher
from behavstats.ingest.report import Report
from behavstats.model.line_block import Block
from behavstats.sources.compression import DAMAGE
from behavstats.sources.file_type import NoText
from behavstats.sources.files import stored_name
from behavstats.store import Checkpoint, SourceOffset, Store
from behavstats.watch.discovery import File, Found
from behavstats.watch.locations import Places, leads_to
from behavstats.watch.restarted_files import Anew, Filter
from behavstats.watch.rotation import is_all_in, is_likely_a_copy
from behavstats.watch.tailed_file import START, Content, Ends, Followed, Searched, opened

_SHARE = 64 * 1024 * 1024  # bytes of a large file, before others have their turn
_SCAN_AGAIN = 1.0  # seconds of a round, after which it looks what else is new
_SETTLED = 2_000  # ms after which a file that is changed again has another time of change
_COST = 10  # what has taken long waits for so many times as long before it is done again
_MOST_PROBLEMS = 10_000  # that are remembered, to be named once

_log = logging.getLogger(__name__)


_Known = tuple[Followed, Ends]


class Taker:
    """Takes what is new in files, and knows which were looked at as they are now.

    `report` counts what was taken; `is_behind` says that there is something for another round, in
    which all files are looked at. Whoever begins that resets it.
    """

    def __init__(
        self,
        store: Store,
        clock: Callable[[], int],
        is_stopped: Callable[[], bool],
        on_lines: Callable[[Followed, int], None],
        on_stored: Callable[[], None],
    ) -> None:
        """`clock` returns ms since the epoch.

        `on_lines` is told of which file lines were read, and how many; `on_stored`, when that is in
        the report.
        """
        self.report = Report()
        self.is_behind = False
        self._store = store
        self._clock = clock
        self._is_stopped = is_stopped
        self._on_lines, self._on_stored = on_lines, on_stored
        self._places = Places()
        self._anew = Anew(store, self._places)
        self._filter = Filter(lambda: store.offsets.erasures_since(0))
        self._seen: dict[File, Found] = {}
        self._searched: dict[File, Searched] = {}
        self._not_before: dict[File, float] = {}
        self._problems: dict[str, str] = {}
        self._asked: dict[str, int] = {}  # since when files are followed by their names, in ms
        self._began = clock()
        self._begin_round()

    def _begin_round(self) -> None:
        self._files: dict[File, Followed] = {}
        self._reading: deque[tuple[Followed, Checkpoint]] = deque()
        self._due: set[Followed] = set()
        self._begun: dict[bytes, Followed] = {}  # by their beginnings
        self._looked_at: dict[File, Found] = {}
        self._left_out = Counter[str]()  # by the names of files
        self._anew.begin_round()
        self._filter.renew()

    def ask_for(self, paths: Iterable[str]) -> None:
        """Note that files are followed by their names: what is rotated from now on counts.

        Also after a restart. Raises StoreError.
        """
        new = [path for path in paths if path not in self._asked]
        if new:
            since = self._store.offsets.asked_since([*map(stored_name, new)], self._began)
            self._asked.update(zip(new, since, strict=True))

    def take(self, found: Sequence[Found], scan: Callable[[], list[Found]]) -> None:
        """Take all that is new in files, and in what a scan finds before that is done.

        Raises StoreError; then what was not stored is taken the next time.
        """
        self._begin_round()
        self._places.saw(found)
        batch = Batch()
        try:
            with closing(self._blocks(deque(found), scan)) as blocks, DecodeProcess() as second:
                decoded = Prefetcher(blocks, self._clock, second)
                for part in decoded:
                    batch.add(self._noted(part))
                    if batch.is_full:
                        self._keep(batch, decoded)
                        self._store.refresh_rollups()
                        batch = Batch()
                self._keep(batch, decoded)
        except BaseException:
            self._seen.clear()
            raise
        for name, count in self._left_out.items():
            self.report.left_out += count
            _log.warning("%s: %d lines of users who were erased were left out", name, count)
        self._anew.say(at_once=False)

    def finish(self) -> None:
        """Say what else would be waited for. Raises StoreError."""
        self._anew.say(at_once=True)

    def note_problem(self, path: str, error: SourceError, is_failure: bool = True) -> None:
        """Say once what is wrong with a path, until that changes."""
        # What was there, and is not any more, may be there by another name.
        self.is_behind |= not is_failure and not os.path.lexists(path)
        if self._problems.get(path) != str(error):
            if len(self._problems) >= _MOST_PROBLEMS:
                self._problems.clear()
            self._problems[path] = str(error)
            _log.warning("%s", error)
            if is_failure:
                self.report.failures.append(detached(error))

    def forget(self, file: File) -> None:
        """Drop what is known of a file that is gone."""
        self._places.forget(file)
        for memory in (self._seen, self._searched, self._not_before):
            memory.pop(file, None)

    def _noted(self, part: Decoded) -> Decoded:
        """Return what the next lines were decoded to, as it is to be stored; note up to where."""
        file, reached = self._reading.popleft()
        lines = reached.lines - file.decoded.lines
        file.decoded = reached
        self._due.add(file)
        if file.is_again:
            part, left_out = self._filter.applied(part)
            if left_out:
                self._left_out[file.name] += left_out
        file.rejected += len(part.rejections)
        self._on_lines(file, lines)
        return part

    def _keep(self, batch: Batch, decoded: Prefetcher) -> None:
        """Store a batch, and how far its files are taken with it."""
        due, self._due = self._due, set()
        if batch.is_empty and not due:
            return
        now = self._clock()
        for _ in batch.store(self._store, self.report, [file.step(now) for file in due]):
            decoded.pump()
        for file in due:
            file.stored = file.decoded.offset
        self._filter.renew()
        self._on_stored()

    def _blocks(
        self, queue: deque[Found], scan: Callable[[], list[Found]]
    ) -> Generator[Block, None, None]:
        """Yield what is new in files, in turns, and look meanwhile what else there is."""
        again = time.monotonic() + _SCAN_AGAIN
        while queue and not self._is_stopped():
            found = queue.popleft()
            try:
                if (yield from self._share(found)):
                    queue.append(found)
                self._problems.pop(found.path, None)
            except SourceError as error:
                if found.beside and not found.is_rotated:
                    continue  # most likely it is another log, and none of our business
                self.note_problem(found.path, error, is_failure=os.path.lexists(found.path))
            start = time.monotonic()
            if queue and start > again:
                waiting = {other.file for other in queue}
                there = scan()
                self._places.saw(there)
                queue.extend(
                    other
                    for other in there
                    if other.file not in waiting and self._looked_at.get(other.file) != other
                )
                now = time.monotonic()
                again = now + max(_SCAN_AGAIN, _COST * (now - start))

    def _share(self, found: Found) -> Generator[Block, None, bool]:
        """Yield what is new in a file, of a large one a part; return whether there is more."""
        self._looked_at[found.file] = found
        if self._seen.get(found.file) == found or self._is_too_early(found):
            return False
        with opened(found.path) as content:
            known = self._known(content, found)
            if known is None:
                return False
            file, ends = known
            file.size = content.size
            is_whole = content.is_compressed and self._is_settled(found)
            taken = 0
            for block, reached in content.lines(file.read, ends, is_ended=is_whole):
                file.read = reached
                self._reading.append((file, reached))
                self._begun[reached.prefix] = file
                yield block
                taken += block.length
                if self._is_stopped() or (taken >= _SHARE and not content.is_compressed):
                    return True
            if is_whole and file.modified != content.modified:
                file.modified = content.modified
                self._due.add(file)
        self._note_seen(found)
        return False

    def _known(self, content: Content, found: Found) -> _Known | None:
        """Return how far a file was taken, and the ends of that; None if nothing can be new."""
        file = self._files.get(content.file)
        if file is not None:
            # If it is another one by now, that is for the next round.
            ends = None if content.is_compressed else content.ends(file.read)
            return ends and (file, ends)
        progress = self._store.offsets.of(*content.file)
        if progress is None and not (self._is_to_be_taken(found) or self._originals(content)):
            self._note_seen(found)
            return None
        if content.is_compressed and not (progress and progress.modified == content.modified):
            self._measure(content, found)
        if progress is None:
            self._check_text(content, found)
        known = progress and self._resumed(content, progress)
        if known is None and content.size:  # an empty file is not known by anything
            known = self._new(content, found, progress)
        if known is None:
            return None
        file, ends = known
        self._files[content.file] = file
        if self._has_new_line(content, file):
            return known
        self._note_seen(found)
        return None

    def _resumed(self, content: Content, progress: SourceOffset) -> _Known | None:
        """Go on in a file where it was left, if it still holds what was taken of it."""
        if content.is_compressed and progress.modified == content.modified:
            ends: Ends | None = Ends(b"", b"")  # nothing is read of it
        else:
            ends = content.ends(progress.checkpoint)
        if ends is None:
            _log.info("%s: holds something else than before", content.name)
            self._places.left(progress, content.name)
            self._store.offsets.move(progress, None)
            return None
        file = _following(content, progress)
        if file.name != progress.name is not None:
            self._due.add(file)
        return file, ends

    def _new(self, content: Content, found: Found, before: SourceOffset | None) -> _Known | None:
        """Begin a file, which held something else `before`; None if there is nothing to take.

        If it is a copy of what is known from another one, as rotation makes them (before a log is
        truncated, or compressed), behind that. So nothing is taken twice, and who was forgotten
        does not come back.
        """
        for progress in self._originals(content):
            if is_all_in(content, self._places.of(progress)):
                return None
            ends = content.ends(progress.checkpoint)
            if ends is not None:
                return self._moved(content, progress), ends
        if self._is_copy_of_new(content):
            self.is_behind = True
            return None
        if not self._is_to_be_taken(found):
            self._note_seen(found)
            return None
        return self._begun_file(content, before), Ends(b"", b"")

    def _begun_file(self, content: Content, before: SourceOffset | None) -> Followed:
        """Take a file from its beginning; if it or its folder is known, who was erased stays so."""
        file = Followed(content.name, content.file, None, START, START)
        before = before or self._anew.before(content.name)
        file.is_again = before is not None or self._anew.is_beside_known(content.name)
        if before is not None:
            file.anew = self._clock()
            self._anew.expect(content.file, content.name, before)
        return file

    def _is_to_be_taken(self, found: Found) -> bool:
        """Return whether a file counts even if nothing is known of what it holds.

        Beside one that is followed, what was rotated since that was asked for first: nobody was
        there to see it under its own name.
        """
        if found.beside is None:
            return True
        since = self._asked.get(found.beside)
        return since is not None and found.is_rotated and found.modified // 1_000_000 > since

    def _originals(self, content: Content) -> list[SourceOffset]:
        """Return the files of which this may be a copy."""
        return [
            progress
            for progress in self._store.offsets.by_beginnings(content.heads())
            if is_likely_a_copy(content, progress.checkpoint, self._places.name_of(progress))
        ]

    def _is_copy_of_new(self, content: Content) -> bool:
        """Return whether this is a copy of what is taken in this round, so that it has to wait."""
        for head in content.heads():
            other = self._begun.get(head)
            if other is not None and is_likely_a_copy(content, other.read, other.name):
                place = self._places.of_file(other.file, other.name)
                return is_all_in(content, place) or content.ends(other.read) is not None
        return False

    def _moved(self, content: Content, progress: SourceOffset) -> Followed:
        """Go on with a content in another file; if the one it was in is there, in both."""
        _log.info("%s: goes on with what was in %s", content.name, progress.name)
        file = _following(content, progress)
        self._anew.goes_on(progress)
        if self._places.of(progress) is not None:
            file.stored = None
        else:
            self._store.offsets.move(progress, content.file)
        self._due.add(file)
        return file

    def _measure(self, content: Content, found: Found) -> None:
        """Find out whether a compressed file is complete; if not, it waits until it has changed."""
        start = time.monotonic()
        try:
            content.measure()
        except DAMAGE:
            now = time.monotonic()
            self._not_before[found.file] = now + _COST * (now - start)
            self._note_seen(found)
            raise

    def _check_text(self, content: Content, found: Found) -> None:
        """Raise NoText for a file that holds no text; a compressed one is not measured again."""
        try:
            content.check_text()
        except NoText:
            if content.is_compressed:
                self._note_seen(found)
            raise

    def _has_new_line(self, content: Content, file: Followed) -> bool:
        """Return whether a line has ended since; what has none is not searched again."""
        if content.is_compressed:
            return file.modified != content.modified
        start = file.read.offset
        known = self._searched.get(content.file)
        searched = known.end if known is not None and known.is_in(content, start) else start
        if content.has_newline(searched):
            return True
        self._searched[content.file] = Searched.up_to(content, start, content.size)
        return False

    def _is_too_early(self, found: Found) -> bool:
        return time.monotonic() < self._not_before.get(found.file, 0)

    def _is_settled(self, found: Found) -> bool:
        """Return whether a change from now on would show in the time of the last change."""
        return abs(self._clock() - found.modified // 1_000_000) > _SETTLED

    def _note_seen(self, found: Found) -> None:
        if self._is_settled(found):
            self._seen[found.file] = found


def _following(content: Content, progress: SourceOffset) -> Followed:
    """Return a file as the store has it; by its old name, if that still leads to it as well."""
    name = progress.name if leads_to(progress.name, content.file) else None
    place = progress.checkpoint
    file = Followed(name or content.name, content.file, place.offset, place, place)
    file.rejected, file.size, file.modified = progress.rejected, progress.size, progress.modified
    file.is_again, file.anew = progress.is_again, progress.anew
    return file

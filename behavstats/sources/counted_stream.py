"""A stream that counts its bytes, shows its beginning, and knows when a pipe pauses."""

import io
import os
import select
import stat
import time

from behavstats.sources.compression import MAGIC_BYTES

_PAUSE = 0.5  # seconds for which a pipe gives nothing
_LONGEST_RUN = 2.0  # seconds of a pipe that does not pause


class CountedStream(io.RawIOBase):
    """A stream whose first bytes can be looked at, also in a pipe, and that counts its bytes."""

    def __init__(self, file: io.FileIO) -> None:
        self._file = file
        self._waits = not stat.S_ISREG(os.fstat(file.fileno()).st_mode)
        self._paused = time.monotonic()
        self.beginning = file.read(MAGIC_BYTES)
        while 0 < len(self.beginning) < MAGIC_BYTES and (more := file.read(1)):
            self.beginning += more
        self._unread = self.beginning
        self.position = 0

    def pauses(self) -> bool:
        """Wait for more; say whether it takes so long that what came should be dealt with first.

        Never in a file on a disk; in a pipe, also if it goes on and on.
        """
        if not self._waits or self._unread:
            return False
        (ready, _, _) = select.select([self._file], [], [], _PAUSE)
        if ready and time.monotonic() < self._paused + _LONGEST_RUN:
            return False
        self._paused = time.monotonic()
        return True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._unread:
            length = len(self._unread)
            buffer[:length], self._unread = self._unread, b""
        else:
            length = self._file.readinto(buffer)
        self.position += length
        return length

"""A stream that counts its bytes, shows its beginning, and knows when a pipe pauses."""

import io
import os
import select
import stat
import time

from behavstats.sources.compression import MAGIC_BYTES

_PAUSE_SECONDS = 0.5  # a pipe pauses if it delivers nothing for this long
_LONGEST_RUN_SECONDS = 2.0  # a pipe that never stops delivering pauses this often


class CountedStream(io.RawIOBase):
    """An unbuffered stream of a file, a pipe or a terminal.

    `beginning` holds its first bytes (at most `MAGIC_BYTES`), which a read returns as well;
    `position` counts the bytes that were read.
    """

    def __init__(self, file: io.FileIO) -> None:
        self._file = file
        self._is_pipe = not stat.S_ISREG(os.fstat(file.fileno()).st_mode)
        self._paused = time.monotonic()
        self.beginning = file.read(MAGIC_BYTES)
        while 0 < len(self.beginning) < MAGIC_BYTES and (more := file.read(1)):
            self.beginning += more
        self._unread = self.beginning
        self.position = 0

    def pauses(self) -> bool:
        """Wait for more bytes; return whether the caller should store the lines so far first.

        Returns True if a pipe delivers nothing for half a second, and every two seconds while it
        keeps delivering. A file on a disk never pauses.
        """
        if not self._is_pipe or self._unread:
            return False
        (ready, _, _) = select.select([self._file], [], [], _PAUSE_SECONDS)
        if ready and time.monotonic() < self._paused + _LONGEST_RUN_SECONDS:
            return False
        self._paused = time.monotonic()
        return True

    def readable(self) -> bool:
        """Return True: the stream is open for reading."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer, or its beginning; return how many bytes were read, 0 at the end."""
        if self._unread:
            length = len(self._unread)
            buffer[:length], self._unread = self._unread, b""
        else:
            length = self._file.readinto(buffer)
        self.position += length
        return length

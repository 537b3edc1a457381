"""Decoding ahead: a second process decodes blocks while this one writes what it has decoded.

Run as a module, this is the second process.
"""

import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from multiprocessing.connection import Connection, Pipe
from typing import Self

from behavstats.columns import PageViews, decode_block
from behavstats.events import Block, Rejection

Decoded = tuple[PageViews, list[Rejection]]

_ALONE = 3  # blocks that are decoded before it is worth starting a process
_WAITING = 2  # blocks at the second process, so that it always has one
_AHEAD = 12  # blocks decoded, or waiting to be: what bounds the memory


class Ahead:
    """Decodes blocks in order, some of them ahead in a second process. To be used in `with`.

    Iterate over it for what `decode_block` returns of each block, and call `feed` now and then
    while busy with that.
    """

    def __init__(self, blocks: Iterator[Block], clock: Callable[[], int]) -> None:
        """`clock` returns ms since the epoch; it is asked for each block."""
        self._blocks = blocks
        self._clock = clock
        self._decoded: deque[Future[Decoded]] = deque()
        self._pausing = False
        self._process: _SecondProcess | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.close()

    def __iter__(self) -> Iterator[Decoded]:
        for block in islice(self._blocks, _ALONE if (os.cpu_count() or 1) > 1 else None):
            yield decode_block(block, self._clock())
        self._feed(_WAITING)
        while self._decoded:
            while not self._decoded[0].done() and self._decode_here():
                self._feed(_WAITING)
            yield self._decoded.popleft().result()
            if not self._decoded:
                self._pausing = False
            self._feed(_WAITING)

    def feed(self) -> None:
        """Give the second process, where there is one, as much as may be decoded ahead."""
        if self._process is not None:
            self._feed(_AHEAD)

    def _feed(self, waiting: int) -> None:
        """Let there be that many blocks waiting for the second process, which this may start."""
        while sum(not decoded.done() for decoded in self._decoded) < waiting:
            block = self._next()
            if block is None:
                return
            if self._process is None:
                self._process = _SecondProcess()
            self._decoded.append(self._process.decode(block, self._clock()))

    def _decode_here(self) -> bool:
        """Decode a block rather than wait; return whether there was one."""
        block = self._next()
        if block is None:
            return False
        decoded: Future[Decoded] = Future()
        decoded.set_result(decode_block(block, self._clock()))
        self._decoded.append(decoded)
        return True

    def _next(self) -> Block | None:
        """Return the next block, unless enough are ahead, or the source pauses.

        Then, what came before has to be dealt with first.
        """
        if self._pausing or len(self._decoded) >= _AHEAD:
            return None
        block = next(self._blocks, None)
        self._pausing = block is not None and not block.text
        return block


class _SecondProcess:
    """Another process that decodes, and a thread that waits for it.

    Where it cannot be started, or ends before its time, the thread decodes in its place.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ahead")
        self._connection, theirs = Pipe()
        self._process: subprocess.Popen[bytes] | None = None
        # What is not a module of ours finds nothing but the connection: it cannot disturb the
        # output, and Ctrl-C at the terminal is for this process to deal with.
        with theirs:
            try:
                self._process = subprocess.Popen(  # noqa: S603
                    [sys.executable, "-m", __name__, str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
                    start_new_session=True,
                )
            except OSError:
                self._connection.close()

    def decode(self, block: Block, now: int) -> "Future[Decoded]":
        return self._thread.submit(self._ask, block, now)

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._thread.shutdown()
        self._connection.close()

    def _ask(self, block: Block, now: int) -> Decoded:
        try:
            self._connection.send((block, now))
            decoded: Decoded = self._connection.recv()
        except (OSError, EOFError):
            return decode_block(block, now)
        return decoded


def _serve(connection: Connection) -> None:
    """Answer blocks until the other end is closed, be it that its process was killed."""
    try:
        while True:
            connection.send(decode_block(*connection.recv()))
    except (OSError, EOFError):
        pass


if __name__ == "__main__":
    _serve(Connection(int(sys.argv[1])))

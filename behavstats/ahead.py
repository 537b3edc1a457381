"""Decoding ahead: a second process decodes blocks while this one writes what it has decoded.

Run as a module, this is the second process.
"""

import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, Pipe
from typing import Self

from behavstats.columns import PageViews, decode_block
from behavstats.events import Block, Rejection

Decoded = tuple[PageViews, list[Rejection]]

_WORTH_A_PROCESS = 4 * 1024 * 1024  # bytes of a block: where there is one, there are more
_AHEAD = 12  # blocks: what bounds the memory


class _Task:
    """A block to be decoded at an instant of the clock, and what it was decoded to, once it was."""

    def __init__(self, block: Block, now: int) -> None:
        self.question = block, now
        self.decoded: Decoded | None = None

    def decode(self) -> None:
        """Decode it here."""
        self.decoded = decode_block(*self.question)


class Ahead:
    """Decodes blocks in order, some of them ahead in a second process. To be used in `with`.

    Iterate over it for what `decode_block` returns of each block, and call `feed` now and then
    while busy with that.
    """

    def __init__(self, blocks: Iterator[Block], clock: Callable[[], int]) -> None:
        """`clock` returns ms since the epoch; it is asked for each block."""
        self._blocks = blocks
        self._clock = clock
        self._tasks: deque[_Task] = deque()
        self._pausing = False
        self._second: _SecondProcess | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._second is not None:
            self._second.close()

    def __iter__(self) -> Iterator[Decoded]:
        while True:
            self.feed()
            if not self._tasks or self._tasks[0].decoded is None:
                self._decode_here()
            if not self._tasks:
                return
            if self._tasks[0].decoded is None and self._second is not None:
                self._second.wait()
            while self._tasks and (decoded := self._tasks[0].decoded) is not None:
                self._tasks.popleft()
                yield decoded
                self.feed()
            if not self._tasks:
                self._pausing = False

    def feed(self) -> None:
        """Let the second process, where there is one, have the next block if it has none."""
        if self._second is not None and self._second.is_idle():
            task = self._next_task()
            if task is not None:
                self._second.begin(task)

    def _decode_here(self) -> None:
        """Decode the next block here, rather than wait for the second process."""
        task = self._next_task()
        if task is not None:
            block, _ = task.question
            if self._second is None and block.length >= _WORTH_A_PROCESS and _cores() > 1:
                self._second = _SecondProcess()
            task.decode()

    def _next_task(self) -> _Task | None:
        """Take the next block, unless enough are ahead, or the source pauses.

        Then, what came before has to be dealt with first.
        """
        if self._pausing or len(self._tasks) >= _AHEAD:
            return None
        block = next(self._blocks, None)
        if block is None:
            return None
        self._pausing = not block.text
        self._tasks.append(_Task(block, self._clock()))
        return self._tasks[-1]


class _SecondProcess:
    """Another process, that decodes one block at a time and says when it is ready for it.

    Where it cannot be started it is never idle; if it ends before its time, this one does its task.
    """

    def __init__(self) -> None:
        self._task: _Task | None = None
        self._is_ready = False
        self._connection, theirs = Pipe()
        self._process: subprocess.Popen[bytes] | None = None
        # It has nothing but the connection: it cannot disturb the output, and Ctrl-C at the
        # terminal is for this process to deal with.
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

    def is_idle(self) -> bool:
        """Return whether it waits for a task; takes the result of the last, if that is there."""
        try:
            if not self._is_ready and self._connection.poll():
                self._receive()
        except OSError:
            self._give_up()
        return self._is_ready

    def begin(self, task: _Task) -> None:
        """Give it a task, while it is idle."""
        self._task = task
        self._is_ready = False
        try:
            self._connection.send(task.question)
        except OSError:
            self._give_up()

    def wait(self) -> None:
        """Wait until its task is done."""
        if self._task is not None:
            self._receive()

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._connection.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _receive(self) -> None:
        try:
            decoded: Decoded | None = self._connection.recv()
        except (OSError, EOFError):
            self._give_up()
            return
        self._is_ready = True
        if self._task is not None:
            self._task.decoded, self._task = decoded, None

    def _give_up(self) -> None:
        """Let it be: what it was to do is done here, and it is not asked again."""
        self._connection.close()
        self._is_ready = False
        if self._task is not None:
            self._task.decode()
            self._task = None


def _cores() -> int:
    return os.cpu_count() or 1


def _serve(connection: Connection) -> None:
    """Answer blocks until the other end is closed, be it that its process was killed."""
    answer: Decoded | None = None  # at first: ready
    try:
        while True:
            connection.send(answer)
            answer = decode_block(*connection.recv())
    except (OSError, EOFError):
        pass


if __name__ == "__main__":
    _serve(Connection(int(sys.argv[1])))

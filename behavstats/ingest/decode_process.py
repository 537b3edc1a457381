"""The second process: decodes blocks of lines for the first.

Run as a module, this is that process. It imports nothing heavy before it has to, so that it can be
started while the first one is still busy with its own imports.
"""

import os
import subprocess
import sys
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from behavstats.decode.vectorized import Decoded
    from behavstats.model.line_block import Block


class Task:
    """A block to be decoded at an instant of the clock, and what it was decoded to, once it was.

    `size` is what it takes in memory, in bytes: of the block, and later of what came of it.
    """

    def __init__(self, block: "Block", now: int) -> None:
        self.question: tuple[Block, int] | None = (block, now)
        self.decoded: Decoded | None = None
        self.size = len(block.text)

    def decode(self) -> None:
        """Decode it here."""
        from behavstats.decode.vectorized import decode_block

        if self.question is not None:
            self.finish(decode_block(*self.question))

    def finish(self, decoded: "Decoded") -> None:
        """Take what it was decoded to; the block is not held any longer."""
        self.decoded, self.question = decoded, None
        self.size = decoded.views.size + sum(rejection.size for rejection in decoded.rejections)


class DecodeProcess:
    """Another process, that decodes one block at a time. To be used in `with`, which ends it.

    Where it was not or cannot be started it is never idle; if it ends before its time, this one
    does its task.
    """

    def __init__(self) -> None:
        self._task: Task | None = None
        self._is_ready = False
        self._process: subprocess.Popen[bytes] | None = None
        self._connection, self._theirs = Pipe()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the process, whatever it is doing."""
        self._theirs.close()
        self._connection.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def start(self) -> None:
        """Start the process, unless it was started, or would only take turns with this one."""
        if self._theirs.closed or cores() < 2:
            return
        # It has nothing but the connection: it cannot disturb the output, and Ctrl-C at the
        # terminal is for this process to deal with. -P: what lies in the current folder is data.
        with self._theirs as theirs, suppress(OSError):
            self._process = subprocess.Popen(  # noqa: S603
                [
                    sys.executable,
                    "-P",
                    "-m",
                    "behavstats.ingest.decode_process",
                    str(theirs.fileno()),
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
                start_new_session=True,
            )

    def is_idle(self) -> bool:
        """Return whether it waits for a task; takes the result of the last, if that is there."""
        if self._process is not None and not self._is_ready and self._has_answer():
            self._receive()
        return self._is_ready

    def begin(self, task: Task) -> None:
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

    def _has_answer(self) -> bool:
        try:
            return self._connection.poll()
        except OSError:
            return False  # closed: it was given up

    def _receive(self) -> None:
        try:
            decoded: Decoded | None = self._connection.recv()
        except (OSError, EOFError):
            self._give_up()
            return
        self._is_ready = True
        if self._task is not None and decoded is not None:
            self._task.finish(decoded)
            self._task = None

    def _give_up(self) -> None:
        """Let it be: what it was to do is done here, and it is not asked again."""
        self._connection.close()
        self._is_ready = False
        if self._task is not None:
            self._task.decode()
            self._task = None


def cores() -> int:
    """Return how many processes can work at once."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _serve(connection: Connection) -> None:
    """Answer blocks until the other end is closed, be it that its process was killed."""
    from behavstats.decode.vectorized import decode_block

    answer = None  # at first: ready
    try:
        while True:
            connection.send(answer)
            answer = decode_block(*connection.recv())
    except (OSError, EOFError):
        pass


if __name__ == "__main__":
    _serve(Connection(int(sys.argv[1])))

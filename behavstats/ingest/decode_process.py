"""The decode process: a second process that decodes blocks of lines for the first.

The process runs this module as its main program. The module imports nothing heavy at the top, so
the first process can start the second one before its own slow imports.
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
    """A block that is to be decoded at an instant (ms since the epoch), and then its content.

    `size` is the approximate memory of the block, or of its decoded content, in bytes.
    """

    def __init__(self, block: "Block", now: int) -> None:
        self.input: tuple[Block, int] | None = (block, now)
        self.decoded: Decoded | None = None
        self.size = len(block.text)

    def decode(self) -> None:
        """Decode the block in this process."""
        from behavstats.decode.vectorized import decode_block

        if self.input is not None:
            self.finish(decode_block(*self.input))

    def finish(self, decoded: "Decoded") -> None:
        """Set the decoded content, and release the block."""
        self.decoded, self.input = decoded, None
        self.size = decoded.views.size + sum(rejection.size for rejection in decoded.rejections)


class DecodeProcess:
    """A second process that decodes one block at a time; use it in `with`, which stops it.

    A process that was not started, or cannot be started, is never idle. If it ends too early, its
    task is decoded in this process.
    """

    def __init__(self) -> None:
        self._task: Task | None = None
        self._is_ready = False
        self._process: subprocess.Popen[bytes] | None = None
        self._connection, self._far_end = Pipe()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Kill the process, whatever it is doing."""
        self._far_end.close()
        self._connection.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def start(self) -> None:
        """Start the process, unless it was started before or there is only one core for both."""
        if self._far_end.closed or cores() < 2:
            return
        # The process gets the connection and nothing else: it cannot disturb the output, and Ctrl-C
        # at the terminal only reaches this process. -P: files in the current folder are data, and
        # must not be imported.
        with self._far_end as far_end, suppress(OSError):
            self._process = subprocess.Popen(  # noqa: S603
                [
                    sys.executable,
                    "-P",
                    "-m",
                    "behavstats.ingest.decode_process",
                    str(far_end.fileno()),
                ],
                pass_fds=[far_end.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
                start_new_session=True,
            )

    def is_idle(self) -> bool:
        """Return whether the process waits for a task; receives the last result if it is ready."""
        if self._process is not None and not self._is_ready and self._has_answer():
            self._receive()
        return self._is_ready

    def begin(self, task: Task) -> None:
        """Give the idle process a task."""
        self._task = task
        self._is_ready = False
        try:
            self._connection.send(task.input)
        except OSError:
            self._give_up()

    def wait(self) -> None:
        """Wait until the process has done its task."""
        if self._task is not None:
            self._receive()

    def _has_answer(self) -> bool:
        try:
            return self._connection.poll()
        except OSError:
            return False  # the connection is closed, because the process failed

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
        """Decode the task in this process, and never use the other process again."""
        self._connection.close()
        self._is_ready = False
        if self._task is not None:
            self._task.decode()
            self._task = None


def cores() -> int:
    """Return how many processes can run at the same time."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _serve(connection: Connection) -> None:
    """Decode blocks until the other end is closed, which also happens if its process is killed."""
    from behavstats.decode.vectorized import decode_block

    answer = None  # the first answer says that this process is ready
    try:
        while True:
            connection.send(answer)
            answer = decode_block(*connection.recv())
    except (OSError, EOFError):
        pass


if __name__ == "__main__":
    _serve(Connection(int(sys.argv[1])))

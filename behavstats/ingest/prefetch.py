"""Decode ahead: the decode process decodes blocks while this process stores page views."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from behavstats.decode.vectorized import Decoded
from behavstats.ingest.decode_process import DecodeProcess, Task
from behavstats.model.line_block import Block

_WORTH_A_PROCESS = 1024 * 1024  # bytes of a block
_AHEAD = 12 * 1024 * 1024  # bytes of waiting blocks, encoded or decoded


Context = TypeVar("Context")


class Prefetcher(Generic[Context]):
    """Decodes blocks in order, some of them ahead of time in the decode process.

    Each block comes with a context: any value by which the caller knows the block. Iterating yields
    the result of `decode_block` for each block, with the context of that block. Call `pump` now and
    then while you process a result, so that the decode process always has work.
    """

    def __init__(
        self,
        blocks: Iterator[tuple[Block, Context]],
        clock: Callable[[], int],
        process: DecodeProcess,
    ) -> None:
        """`clock` returns ms since the epoch; it is called for each block.

        `process` is started when the first block is so large that more will follow.
        """
        self._blocks = blocks
        self._clock = clock
        self._process = process
        self._tasks: deque[tuple[Task, Context]] = deque()
        self._is_paused = False

    def __iter__(self) -> Iterator[tuple[Decoded, Context]]:
        while True:
            self.pump()
            if not self._tasks or self._tasks[0][0].decoded is None:
                self._decode_here()
            if not self._tasks:
                return
            if self._tasks[0][0].decoded is None:
                self._process.wait()
            while self._tasks and (decoded := self._tasks[0][0].decoded) is not None:
                _, context = self._tasks.popleft()
                yield decoded, context
                self.pump()
            if not self._tasks:
                self._is_paused = False

    def pump(self) -> None:
        """Give the decode process the next block, if the process is idle."""
        if self._process.is_idle():
            task = self._next_task()
            if task is not None:
                self._process.begin(task)

    def _decode_here(self) -> None:
        """Decode the next block in this process instead of waiting for the second one."""
        task = self._next_task()
        if task is not None:
            if task.size >= _WORTH_A_PROCESS:
                self._process.start()
            task.decode()

    def _next_task(self) -> Task | None:
        """Return the next block as a task; None at the end, or if enough blocks are ahead.

        Also returns None after a pause of the source, until the caller has received all blocks
        before it: the pause may last long, and those blocks should be stored meanwhile.
        """
        if self._is_paused or sum(task.size for task, _ in self._tasks) >= _AHEAD:
            return None
        following = next(self._blocks, None)
        if following is None:
            return None
        block, context = following
        self._is_paused = not block.text
        task = Task(block, self._clock())
        self._tasks.append((task, context))
        return task

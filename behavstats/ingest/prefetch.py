"""Decoding ahead: a second process decodes blocks while this one writes what it has decoded."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from behavstats.decode.vectorized import Decoded
from behavstats.ingest.decode_process import DecodeProcess, Task
from behavstats.model.line_block import Block

_WORTH_A_PROCESS = 1024 * 1024  # bytes of a block
_AHEAD = 12 * 1024 * 1024  # bytes of blocks, or of what they were decoded to


Context = TypeVar("Context")


class Prefetcher(Generic[Context]):
    """Decodes blocks in order, some of them ahead in a second process.

    Each block comes with a context, which is any value that its caller needs to know the block by.
    Iterating yields what `decode_block` returns for each block, with the context of that block.
    Call `pump` now and then while busy with the result.
    """

    def __init__(
        self,
        blocks: Iterator[tuple[Block, Context]],
        clock: Callable[[], int],
        second: DecodeProcess,
    ) -> None:
        """`clock` returns ms since the epoch; it is asked for each block.

        `second` is started here if it was not, once a block is so large that there will be more.
        """
        self._blocks = blocks
        self._clock = clock
        self._second = second
        self._tasks: deque[tuple[Task, Context]] = deque()
        self._pausing = False

    def __iter__(self) -> Iterator[tuple[Decoded, Context]]:
        while True:
            self.pump()
            if not self._tasks or self._tasks[0][0].decoded is None:
                self._decode_here()
            if not self._tasks:
                return
            if self._tasks[0][0].decoded is None:
                self._second.wait()
            while self._tasks and (decoded := self._tasks[0][0].decoded) is not None:
                _, context = self._tasks.popleft()
                yield decoded, context
                self.pump()
            if not self._tasks:
                self._pausing = False

    def pump(self) -> None:
        """Let the second process have the next block, if it waits for one."""
        if self._second.is_idle():
            task = self._next_task()
            if task is not None:
                self._second.begin(task)

    def _decode_here(self) -> None:
        """Decode the next block here, rather than wait for the second process."""
        task = self._next_task()
        if task is not None:
            if task.size >= _WORTH_A_PROCESS:
                self._second.start()
            task.decode()

    def _next_task(self) -> Task | None:
        """Take the next block, unless enough are ahead, or the source pauses.

        Then, what came before has to be dealt with first.
        """
        if self._pausing or sum(task.size for task, _ in self._tasks) >= _AHEAD:
            return None
        following = next(self._blocks, None)
        if following is None:
            return None
        block, context = following
        self._pausing = not block.text
        task = Task(block, self._clock())
        self._tasks.append((task, context))
        return task

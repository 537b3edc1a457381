"""Decoding one block ahead, in a second process: while one block is stored, the next is decoded."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import BinaryIO, NamedTuple, Self, cast

import msgspec

from behavstats.errors import SourceError
from behavstats.events import Block, PageView, Rejection, decode_block


class _Request(NamedTuple):
    """A block to decode, and the clock (ms)."""

    block: Block
    now: int


class _Answer(NamedTuple):
    """The page views of a block, in columns, which are quicker to pass on, and its bad lines."""

    user_ids: list[str]
    instants: list[int]
    names: list[str]
    rejections: list[Rejection]


def decoded(
    blocks: Iterable[Block], clock: Callable[[], int]
) -> Iterator[tuple[list[PageView], list[Rejection]]]:
    """Yield what `decode_block` makes of each block, in their order.

    `clock` returns ms since the epoch. A single block, as most inputs are, is decoded here. A
    SourceError among the blocks is raised when all before it are decoded.
    """
    failures: list[SourceError] = []
    readable = _until_failure(blocks, failures)
    first, second = next(readable, None), next(readable, None)
    if first is not None and second is None:
        yield decode_block(first, clock())
    elif first is not None and second is not None:
        with _Decoder() as decoder:
            decoder.send(_Request(second, clock()))
            yield decode_block(first, clock())  # while the other process starts
            for block in readable:
                answer = decoder.receive()
                # Only now, so that never both sides wait for the other to read.
                decoder.send(_Request(block, clock()))
                yield _result(answer)
            yield _result(decoder.receive())
    if failures:
        raise failures[0]


def serve() -> None:
    """Answer requests on standard input to their end; what the second process does."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # to end quietly when nobody is left to answer
    decoder = msgspec.msgpack.Decoder(_Request)
    while request := _read(sys.stdin.buffer):
        views, rejections = decode_block(*decoder.decode(request))
        answer = _Answer(
            [view.user_id for view in views],
            [view.instant for view in views],
            [view.name for view in views],
            rejections,
        )
        _write(sys.stdout.buffer, msgspec.msgpack.encode(answer))


class _Decoder:
    """The second process. It ends when this one does, since its standard input ends."""

    def __init__(self) -> None:
        code = f"import sys; sys.path[:] = {sys.path!r}; import {__name__} as d; d.serve()"
        self._process = subprocess.Popen(  # noqa: S603 - the code is ours
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is not for it
        )
        self._requests = cast(BinaryIO, self._process.stdin)
        self._answers = cast(BinaryIO, self._process.stdout)
        self._decoder = msgspec.msgpack.Decoder(_Answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # It may be in the middle of an answer that nobody wants any more.
        self._process.kill()
        self._process.wait()
        self._answers.close()
        with suppress(BrokenPipeError):  # of what was not sent yet
            self._requests.close()

    def send(self, request: _Request) -> None:
        """Have a block decoded, after the answer for the one before was received."""
        with suppress(BrokenPipeError):  # then there is no answer either
            _write(self._requests, msgspec.msgpack.encode(request))

    def receive(self) -> _Answer:
        """Return the answer; SourceError if the process is gone."""
        answer = _read(self._answers)
        if not answer:
            raise SourceError("the process that decodes ended unexpectedly")
        return self._decoder.decode(answer)


def _until_failure(blocks: Iterable[Block], failures: list[SourceError]) -> Iterator[Block]:
    try:
        yield from blocks
    except SourceError as error:
        failures.append(error)


def _result(answer: _Answer) -> tuple[list[PageView], list[Rejection]]:
    views = list(map(PageView, answer.user_ids, answer.instants, answer.names))
    return views, answer.rejections


def _write(stream: BinaryIO, message: bytes) -> None:
    stream.write(len(message).to_bytes(8))
    stream.write(message)
    stream.flush()


def _read(stream: BinaryIO) -> bytes:
    """Read a message; an empty one stands for the end, also in the middle of one."""
    length = int.from_bytes(stream.read(8))
    message = stream.read(length)
    return message if len(message) == length else b""

"""The prefetcher decodes ahead of time, with a real decode process."""

import os
import signal
import time

import pytest

from behavstats.decode.vectorized import decode_block
from behavstats.ingest import decode_process, prefetch
from behavstats.ingest.decode_process import DecodeProcess
from behavstats.ingest.prefetch import Prefetcher
from behavstats.model.line_block import Block
from behavstats.model.page_view import PageView
from tests.support.histories import AS_OF, line, listed

CLOCK = AS_OF + 1_000


@pytest.fixture(autouse=True)
def _every_block_is_worth_a_process(monkeypatch):
    monkeypatch.setattr(prefetch, "_WORTH_A_PROCESS", 1)
    monkeypatch.setattr(decode_process, "cores", lambda: 2)


def blocks(count):
    """Yield blocks of lines, each with one invalid line; the context of each is its number."""
    for number in range(count):
        views = [PageView(f"u{number}", AS_OF - n, f"/{n}") for n in range(20)]
        text = b"".join(map(line, views)) + b"{\n"
        yield Block("events.jsonl", number * 21 + 1, number * 2_000, text, len(text)), number


def seen(decoded):
    return [(listed(part.views), *part[1:], context) for part, context in decoded]


def expected(count):
    return seen((decode_block(block, CLOCK), context) for block, context in blocks(count))


def wait_until_idle(decoding):
    """Wait until the decode process is idle, which says that it has started."""
    deadline = time.monotonic() + 60
    while not decoding._process.is_idle():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def pumped(decoding):
    """Yield decoded blocks; after the first one, the decode process is idle, and gets work."""
    for number, decoded in enumerate(decoding):
        if number == 0:
            wait_until_idle(decoding)
        decoding.pump()
        yield decoded


@pytest.mark.parametrize("count", [0, 1, 2, 50])
def test_blocks_are_decoded_in_order(count):
    """It does not matter which process decodes a block."""
    with DecodeProcess() as process:
        decoding = Prefetcher(blocks(count), lambda: CLOCK, process)
        assert seen(decoding) == expected(count)


def test_the_decode_process_does_its_part():
    """It decodes the next blocks while this process is busy."""
    with DecodeProcess() as process:
        decoding = Prefetcher(blocks(30), lambda: CLOCK, process)
        found = []
        for number, decoded in enumerate(pumped(decoding)):
            found.append(decoded)
            if number == 3:
                assert decoding._tasks
        assert seen(found) == expected(30)


def test_nothing_is_lost_if_the_decode_process_is_killed():
    """Its task is decoded in this process."""
    with DecodeProcess() as process:
        decoding = Prefetcher(blocks(200), lambda: CLOCK, process)
        found = []
        for number, decoded in enumerate(pumped(decoding)):
            found.append(decoded)
            if number == 20:
                os.kill(process._process.pid, signal.SIGKILL)
        assert seen(found) == expected(200)


def test_without_a_decode_process_this_process_decodes_everything(monkeypatch):
    """It may not be possible to start one, for example if no more processes are allowed."""
    monkeypatch.setattr(decode_process.sys, "executable", "/nowhere/python")
    with DecodeProcess() as process:
        decoding = Prefetcher(blocks(30), lambda: CLOCK, process)
        assert seen(decoding) == expected(30)


def test_if_the_decode_process_fails_at_once_this_process_decodes_everything(monkeypatch):
    """For example if it does not find its modules."""
    monkeypatch.setattr(decode_process.sys, "executable", "/bin/false")
    with DecodeProcess() as process:
        decoding = Prefetcher(blocks(30), lambda: CLOCK, process)
        assert seen(decoding) == expected(30)


def test_the_decode_process_imports_nothing_from_the_current_folder(tmp_path):
    """A file among the data may have the name of a module."""
    for name in ("numpy.py", "behavstats.py", "subprocess.py"):
        (tmp_path / name).write_text("open('was-run', 'w')")
    with DecodeProcess() as process:
        decoding = Prefetcher(blocks(30), lambda: CLOCK, process)
        next(iter(decoding))
        wait_until_idle(decoding)
    assert not (tmp_path / "was-run").exists()


def test_the_decode_process_is_stopped_at_the_end():
    """Even if not all blocks were decoded."""
    with DecodeProcess() as process:
        decoding = Prefetcher(blocks(30), lambda: CLOCK, process)
        next(iter(decoding))
        child = decoding._process._process
    assert child.returncode is not None


def test_with_one_core_there_is_no_decode_process(monkeypatch):
    """Only one of the two processes could run at a time."""
    monkeypatch.setattr(decode_process, "cores", lambda: 1)
    with DecodeProcess() as process:
        decoding = Prefetcher(blocks(5), lambda: CLOCK, process)
        assert seen(decoding) == expected(5)
        assert process._process is None


def test_blocks_before_a_pause_are_yielded_before_more_is_read():
    """A pause of a source may last for hours."""
    read = []

    def pausing():
        for block, number in blocks(6):
            read.append(number)
            yield block._replace(text=b"", length=0) if number == 3 else block, number

    with DecodeProcess() as process:
        decoding = Prefetcher(pausing(), lambda: CLOCK, process)
        for part, _ in decoding:
            decoding.pump()
            if not len(part.views):
                assert read == [0, 1, 2, 3]
                break
        else:
            pytest.fail("there was no pause")

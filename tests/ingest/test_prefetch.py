"""Decoding ahead, with a real second process."""

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
    """Blocks of some lines, one of them bad; the context of each is its number."""
    for number in range(count):
        views = [PageView(f"u{number}", AS_OF - n, f"/{n}") for n in range(20)]
        text = b"".join(map(line, views)) + b"{\n"
        yield Block("events.jsonl", number * 21 + 1, number * 2_000, text, len(text)), number


def seen(decoded):
    return [(listed(part.views), *part[1:], context) for part, context in decoded]


def expected(count):
    return seen((decode_block(block, CLOCK), context) for block, context in blocks(count))


def until_ready(decoding):
    """Wait until the second process has said that it is there."""
    deadline = time.monotonic() + 60
    while not decoding._process.is_idle():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def fed(decoding):
    """Yield what is decoded, with a second process that is ready after the first, and fed."""
    for number, decoded in enumerate(decoding):
        if number == 0:
            until_ready(decoding)
        decoding.pump()
        yield decoded


@pytest.mark.parametrize("count", [0, 1, 2, 50])
def test_blocks_come_out_decoded_in_their_order(count):
    """Whoever decoded them."""
    with DecodeProcess() as other:
        decoding = Prefetcher(blocks(count), lambda: CLOCK, other)
        assert seen(decoding) == expected(count)


def test_the_second_process_takes_its_part():
    """Fed while this one is busy, it decodes what comes next."""
    with DecodeProcess() as other:
        decoding = Prefetcher(blocks(30), lambda: CLOCK, other)
        found = []
        for number, decoded in enumerate(fed(decoding)):
            found.append(decoded)
            if number == 3:
                assert decoding._tasks
        assert seen(found) == expected(30)


def test_a_second_process_that_is_killed_loses_nothing():
    """Whatever it was doing, this one does it."""
    with DecodeProcess() as other:
        decoding = Prefetcher(blocks(200), lambda: CLOCK, other)
        found = []
        for number, decoded in enumerate(fed(decoding)):
            found.append(decoded)
            if number == 20:
                os.kill(other._process.pid, signal.SIGKILL)
        assert seen(found) == expected(200)


def test_a_second_process_that_cannot_be_started_is_done_without(monkeypatch):
    """As where no more processes are allowed."""
    monkeypatch.setattr(decode_process.sys, "executable", "/nowhere/python")
    with DecodeProcess() as other:
        decoding = Prefetcher(blocks(30), lambda: CLOCK, other)
        assert seen(decoding) == expected(30)


def test_a_second_process_that_fails_at_once_is_done_without(monkeypatch):
    """As where it does not find its modules."""
    monkeypatch.setattr(decode_process.sys, "executable", "/bin/false")
    with DecodeProcess() as other:
        decoding = Prefetcher(blocks(30), lambda: CLOCK, other)
        assert seen(decoding) == expected(30)


def test_what_lies_in_the_current_folder_is_not_run(tmp_path):
    """A module of the same name as one of ours may be there, among the data."""
    for name in ("numpy.py", "behavstats.py", "subprocess.py"):
        (tmp_path / name).write_text("open('was-run', 'w')")
    with DecodeProcess() as other:
        decoding = Prefetcher(blocks(30), lambda: CLOCK, other)
        next(iter(decoding))
        until_ready(decoding)
    assert not (tmp_path / "was-run").exists()


def test_at_its_end_the_second_process_is_gone():
    """Also if not all blocks were taken."""
    with DecodeProcess() as other:
        decoding = Prefetcher(blocks(30), lambda: CLOCK, other)
        next(iter(decoding))
        process = decoding._process._process
    assert process.returncode is not None


def test_with_one_core_there_is_no_second_process(monkeypatch):
    """It would only take turns with the first."""
    monkeypatch.setattr(decode_process, "cores", lambda: 1)
    with DecodeProcess() as other:
        decoding = Prefetcher(blocks(5), lambda: CLOCK, other)
        assert seen(decoding) == expected(5)
        assert other._process is None


def test_what_came_before_a_pause_is_handed_out_before_more_is_read():
    """A source that pauses may not go on for hours."""
    read = []

    def pausing():
        for block, number in blocks(6):
            read.append(number)
            yield block._replace(text=b"", length=0) if number == 3 else block, number

    with DecodeProcess() as other:
        decoding = Prefetcher(pausing(), lambda: CLOCK, other)
        for part, _ in decoding:
            decoding.pump()
            if not len(part.views):
                assert read == [0, 1, 2, 3]
                break
        else:
            pytest.fail("there was no pause")

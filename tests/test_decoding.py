"""Decoding in a second process is decoding."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from behavstats.decoding import decoded
from behavstats.errors import SourceError
from behavstats.events import Block, decode_block
from tests.histories import AS_OF, histories, line


def clock():
    return AS_OF


def block(number, text):
    return Block("events.jsonl", number, number * 1000, text, len(text))


def children():
    """The processes that this one has started."""
    return {
        child
        for task in Path("/proc/self/task").iterdir()
        for child in (task / "children").read_text().split()
    }


bad = st.sampled_from([b"{\n", b"\xff\n", b"[]\n", b"\n", b'{"user_id": "\\ud800"}\n', b"\0\n"])
texts = st.one_of(
    st.builds(lambda views: b"".join(map(line, views)), histories()),
    st.builds(b"".join, st.lists(bad)),
)


@settings(max_examples=25)
@given(st.lists(texts, max_size=6))
def test_blocks_are_decoded_as_they_are_one_by_one(texts):
    """Good lines and bad ones, in order, whichever process does it; and none is left over."""
    blocks = [block(number, text) for number, text in enumerate(texts)]
    blocks.append(Block("events.jsonl", 9, 9000, b"x" * 4096, 5_000_000))
    before = children()
    assert list(decoded(blocks, clock)) == [decode_block(block, AS_OF) for block in blocks]
    assert children() == before


def test_a_single_block_needs_no_second_process(monkeypatch):
    """Nor does none."""
    monkeypatch.setattr("behavstats.decoding._Decoder", None)
    one = block(0, b"{}\n")
    assert list(decoded([], clock)) == []
    assert list(decoded([one], clock)) == [decode_block(one, AS_OF)]


@pytest.mark.parametrize("count", range(4))
def test_a_failing_source_fails_after_the_blocks_before(count):
    """None of them is lost."""
    blocks = [block(number, b"{}\n") for number in range(count)]

    def failing():
        yield from blocks
        raise SourceError("cut short")

    results = []
    with pytest.raises(SourceError, match="cut short"):
        results.extend(decoded(failing(), clock))
    assert results == [decode_block(block, AS_OF) for block in blocks]


def test_large_blocks_never_make_both_sides_wait():
    """Answers and requests that are larger than any pipe."""
    text = b"{}\n" * 100_000
    results = list(decoded([block(number, text) for number in range(4)], clock))
    assert [len(rejections) for _, rejections in results] == [100_000] * 4


def test_a_decoder_that_is_gone_is_an_error():
    """Killed, by the system say, when memory ran out."""
    results = decoded((block(number, b"{}\n" * 100_000) for number in range(9)), clock)
    before = children()
    next(results)
    (child,) = children() - before
    os.kill(int(child), signal.SIGKILL)
    with pytest.raises(SourceError, match="ended unexpectedly"):
        list(results)
    assert children() == before


def test_it_ends_with_the_process_that_started_it():
    """Also when that is killed, and says nothing."""
    code = """
import sys
from behavstats.decoding import decoded
from tests.test_decoding import block, children, clock
results = decoded((block(number, b"{}\\n" * 100_000) for number in range(9)), clock)
next(results), next(results)
print(*children(), flush=True)
sys.stdin.read()
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    child = int(parent.stdout.readline())
    parent.kill()
    _, errors = parent.communicate(timeout=20)
    assert errors == b""
    deadline = time.monotonic() + 20
    while Path(f"/proc/{child}/stat").exists():
        state = Path(f"/proc/{child}/stat").read_text().split()[2]
        if state == "Z":  # dead, and whoever adopted it has not noticed yet
            break
        assert time.monotonic() < deadline
        time.sleep(0.02)

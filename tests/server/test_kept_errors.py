"""Errors do not keep memory: the frames of their tracebacks would keep bodies and blocks."""

import asyncio
import gc
import gzip
import json
import sqlite3
import tracemalloc
from contextlib import contextmanager

import pytest

from behavstats.decode.segment import Arrival
from behavstats.errors import InvalidInput, StoreBusy, StoreUnavailable, detached
from behavstats.ingest.pipeline import ingest
from behavstats.server.group_commit import GroupCommit
from behavstats.server.payload import parse_payload
from behavstats.store.sqlite.connection import translated
from tests.support.edge import MIB, wait_until
from tests.support.in_process import adapter, answer_to, application, scope
from tests.support.messages import NOW


@contextmanager
def no_error_left_to_the_collector():
    """Fail if an error is in a reference cycle, which only a garbage collection would free."""
    gc.collect()
    gc.disable()
    try:
        yield
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left = [repr(one) for one in gc.garbage if isinstance(one, BaseException)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert left == []


def test_a_detached_error_holds_no_frame_and_no_other_error():
    """It keeps its message and code."""
    try:
        try:
            int("inner")
        except ValueError as inner:
            raise InvalidInput("code", "words", "field") from inner
    except InvalidInput as error:
        kept = detached(error)
    assert (kept.code, str(kept), kept.field) == ("code", "words", "field")
    assert (kept.__traceback__, kept.__context__, kept.__cause__) == (None, None, None)


def test_a_rejected_message_is_not_in_a_reference_cycle():
    """If another message is valid, the error must not stay in the frame of its own traceback."""
    texts = [b'{"type": "track"}', json.dumps(rejected(9)).encode(), b"7"]
    with no_error_left_to_the_collector():
        payload = parse_payload("POST /v1/batch", texts, Arrival(NOW))
    assert len(payload.rejections) == 2


def test_an_error_of_the_database_is_not_in_a_reference_cycle(tmp_path):
    """Its frames have everything that was to be stored."""
    with no_error_left_to_the_collector():
        for _ in range(2):
            try:
                with translated(tmp_path):
                    raise sqlite3.OperationalError("disk I/O error")
            except StoreUnavailable:
                pass


def test_the_errors_in_a_report_have_no_tracebacks(store, tmp_path):
    """The frames of an unreadable file would keep its last block."""
    report = ingest([str(tmp_path / "absent"), str(tmp_path)], store, lambda: NOW)
    assert [error.__traceback__ for error in report.failures] == [None, None]
    assert [error.__context__ for error in report.failures] == [None, None]


def rejected(size):
    """A page view whose time is wrong."""
    return {"type": "page", "userId": "u", "name": "/", "timestamp": "bad", "x": "x" * size}


def batch_of(*messages):
    return gzip.compress(json.dumps({"batch": messages}).encode(), 1)


BODIES = {
    "invalid and valid": batch_of({"type": "track"}, *[rejected(MIB - 500)] * 4),
    "all invalid": batch_of(*[rejected(MIB - 500)] * 4),
    "single": json.dumps(rejected(3 * MIB)).encode(),
    "not JSON": b'{"batch": [' + b" " * 3 * MIB + b"[",
    "damaged gzip": batch_of(*[rejected(MIB - 500)] * 4)[:-9],
    "too large": b" " * 5 * MIB,
}


def outcome_of(commit, store, body):
    """Send a body to the whole application; return the status of the answer."""

    async def send_it():
        served = adapter(application(store, clock=lambda: NOW), GroupCommit(commit).add)
        path = b"/v1/page" if body.startswith(b'{"type') else b"/v1/batch"
        return (await answer_to(served, scope(path=path), [body])).status

    return asyncio.run(send_it())


def busy(*_):
    raise StoreBusy("busy")


def broken(*_):
    raise RuntimeError("broken")


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("commit", [lambda *_: 0, busy, broken], ids=["stored", "busy", "broken"])
def test_the_memory_of_a_request_is_freed_after_the_answer(store, body, commit, monkeypatch):
    """Reference counting frees it, without the garbage collector, even after an error.

    No log record is made, since pytest keeps log records.
    """
    monkeypatch.setattr("behavstats.server.render._log.error", lambda *_, **__: None)
    outcome_of(commit, store, body)  # fills caches
    with no_error_left_to_the_collector():
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            assert outcome_of(commit, store, body) in {200, 400, 413, 500, 503}
            # The thread that commits may still be in its last frame.
            wait_until(lambda: tracemalloc.get_traced_memory()[0] - before < MIB)
        finally:
            tracemalloc.stop()

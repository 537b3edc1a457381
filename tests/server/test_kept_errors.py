"""Errors are not kept: their frames hold bodies and blocks, which else only the collector frees."""

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
    """Fail if an error is in a circle: then it lives, with all it holds, until a collection."""
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
    """Its message and code stay."""
    try:
        try:
            int("inner")
        except ValueError as inner:
            raise InvalidInput("code", "words", "field") from inner
    except InvalidInput as error:
        kept = detached(error)
    assert (kept.code, str(kept), kept.field) == ("code", "words", "field")
    assert (kept.__traceback__, kept.__context__, kept.__cause__) == (None, None, None)


def test_a_rejected_message_holds_nothing_but_itself():
    """Beside a good one, the error of the bad one was in the frame that its own traceback held."""
    texts = [b'{"type": "track"}', json.dumps(rejected(9)).encode(), b"7"]
    with no_error_left_to_the_collector():
        payload = parse_payload("POST /v1/batch", texts, Arrival(NOW))
    assert len(payload.rejections) == 2


def test_an_error_of_the_database_is_not_left_in_a_circle(tmp_path):
    """It came from frames with all that was to be stored."""
    with no_error_left_to_the_collector():
        for _ in range(2):
            try:
                with translated(tmp_path):
                    raise sqlite3.OperationalError("disk I/O error")
            except StoreUnavailable:
                pass


def test_a_file_that_cannot_be_read_leaves_its_error_alone_in_the_report(store, tmp_path):
    """Without the frames that held the last block."""
    report = ingest([str(tmp_path / "absent"), str(tmp_path)], store, lambda: NOW)
    assert [error.__traceback__ for error in report.failures] == [None, None]
    assert [error.__context__ for error in report.failures] == [None, None]


def rejected(size):
    """A page view whose time is wrong."""
    return {"type": "page", "userId": "u", "name": "/", "timestamp": "bad", "x": "x" * size}


def batch_of(*messages):
    return gzip.compress(json.dumps({"batch": messages}).encode(), 1)


BODIES = {
    "beside a good one": batch_of({"type": "track"}, *[rejected(MIB - 500)] * 4),
    "all of them": batch_of(*[rejected(MIB - 500)] * 4),
    "a single one": json.dumps(rejected(3 * MIB)).encode(),
    "no JSON": b'{"batch": [' + b" " * 3 * MIB + b"[",
    "a damaged gzip": batch_of(*[rejected(MIB - 500)] * 4)[:-9],
    "too much": b" " * 5 * MIB,
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
def test_the_memory_of_a_request_is_free_once_it_is_answered(store, body, commit, monkeypatch):
    """By the counts of references alone, whatever was wrong with it, or with the store.

    Log records are left out, since pytest keeps them.
    """
    monkeypatch.setattr("behavstats.server.render._log.error", lambda *_, **__: None)
    outcome_of(commit, store, body)  # what is made once
    with no_error_left_to_the_collector():
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            assert outcome_of(commit, store, body) in {200, 400, 413, 500, 503}
            # The thread that commits may have its last frame to leave.
            wait_until(lambda: tracemalloc.get_traced_memory()[0] - before < MIB)
        finally:
            tracemalloc.stop()

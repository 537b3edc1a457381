"""Memory under attack: many large requests are rejected, and their memory is released."""

import gzip
import json
import threading

from tests.conftest import ServerProcess
from tests.support.edge import MIB, peak_of, worker_of

_CLIENTS = 60


def rejected_batch():
    """15 MiB as 16 KiB of gzip: one good message, so that the answer is 200, and bad ones."""
    bad = {"type": "page", "userId": "u", "name": "/", "timestamp": "bad", "x": "x" * (MIB - 500)}
    return gzip.compress(json.dumps({"batch": [{"type": "track"}, *[bad] * 14]}).encode())


def test_rejected_messages_take_no_more_memory_than_two_bodies_and_what_waits(db):
    """Sixty times 15 MiB: kept by their errors, they would take 800 MiB."""
    server = ServerProcess(db)
    body, statuses = rejected_batch(), []
    threads = [
        threading.Thread(
            target=lambda: statuses.append(server.request("POST", "/v1/batch", body)[0])
        )
        for _ in range(_CLIENTS)
    ]
    before = peak_of(worker_of(server))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(statuses) == _CLIENTS
    assert set(statuses) <= {200, 503}
    assert peak_of(worker_of(server)) - before < 320 * MIB  # twice as much as it takes
    assert server.stop() == 0

"""Memory: the body of a request is dropped as soon as it is not needed."""

import gzip
import threading

from behavstats.store.sqlite.lock import StoreLock
from tests.support.edge import MIB, peak_of, worker_of


def test_a_rejected_body_is_dropped_before_its_rejected_line_is_stored(server, db):
    """Sixteen bodies of 15 MiB wait for the store, but take little memory by then."""
    body = gzip.compress(b'{"batch": [{"x": "' + b"x" * 15 * MIB + b'"}]}')
    before = peak_of(worker_of(server))
    answers = []

    def send():
        answers.append(server.request("POST", "/v1/batch", body))

    threads = [threading.Thread(target=send) for _ in range(16)]
    with StoreLock(db, lock_timeout=10).held():
        for thread in threads:
            thread.start()
        threads[0].join(timeout=2)  # all requests wait for the lock
    for thread in threads:
        thread.join()
    assert {status for status, _, _ in answers} <= {400, 503}
    assert peak_of(worker_of(server)) - before < 150 * MIB

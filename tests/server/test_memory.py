"""Memory: what a request has brought does not stay longer than it is needed."""

import gzip
import threading

from behavstats.store.sqlite.lock import StoreLock
from tests.support.edge import MIB, peak_of, worker_of


def test_what_is_refused_does_not_stay_while_its_reason_waits_to_be_kept(server, db):
    """A refusal waits for the store, too; of sixteen times 15 MiB, little is left by then."""
    body = gzip.compress(b'{"batch": [{"x": "' + b"x" * 15 * MIB + b'"}]}')
    before = peak_of(worker_of(server))
    answers = []

    def send():
        answers.append(server.request("POST", "/v1/batch", body))

    threads = [threading.Thread(target=send) for _ in range(16)]
    with StoreLock(db, lock_timeout=10).held():
        for thread in threads:
            thread.start()
        threads[0].join(timeout=2)  # it waits, as the others do
    for thread in threads:
        thread.join()
    assert {status for status, _, _ in answers} <= {400, 503}
    assert peak_of(worker_of(server)) - before < 150 * MIB

"""A flood of rejected messages: those of other senders stay, and other requests succeed."""

import gzip
import json

from behavstats.model.retention import Bounds
from tests.conftest import files_of

FLOODER, OTHER, SECRET = "w" * 20, "x" * 20, "s" * 20
LIMIT = 2  # MiB


def test_rejected_messages_of_one_sender_evict_no_others_and_are_bounded(serve, db, monkeypatch):
    """After batches of many MiB, the store is small, and a user can be erased."""
    monkeypatch.setenv("BEHAVSTATS_REJECTS_MAX_MIB", str(LIMIT))
    keys = ["--write-key", FLOODER, "--write-key", OTHER, "--secret-key", SECRET]
    server = serve(*keys)

    def post(key, *messages):
        body = gzip.compress(json.dumps({"batch": messages}).encode(), 1)
        return server.request("POST", "/v1/batch", body, {"Authorization": f"Bearer {key}"})[0]

    assert (
        post(OTHER, {"userId": "anna", "type": "visit"}, {"userId": "bob", "type": "visit"}) == 400
    )
    for number in range(5):
        flood = [{"type": "visit", "n": number, "x": "." * 6_000} for _ in range(700)]
        assert post(FLOODER, *flood) == 400
    forget = server.request("DELETE", "/v1/user/anna", None, {"Authorization": f"Bearer {SECRET}"})
    assert (forget[0], forget[2]["rejected_lines"]) == (200, 1)
    assert sum(map(len, files_of(db).values())) < (LIMIT + 6) * 1024 * 1024
    everything = b"".join(files_of(db).values())
    assert b'"anna"' not in everything
    assert b'"bob"' in everything
    assert Bounds().bytes > 5 * 700 * 6_000  # by default, no line would have been evicted

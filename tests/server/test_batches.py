"""Batches sent to a real server: their answers, stored page views and rejected messages."""

import gzip
import http.client
import json
import threading

import pytest

from behavstats.store import open_store
from tests.conftest import ServerProcess
from tests.support.edge import MIB, batch, ours, page, peak_of, worker_of
from tests.support.stores import rejections_of

DEEP = b"[" * 10_000 + b"]" * 10_000
MANY = b",".join([b"0"] * MIB)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One server for all tests here, each with users of its own."""
    db = tmp_path_factory.mktemp("batches") / "store.db"
    server = ServerProcess(db)
    server.db = db
    yield server
    server.stop()


def views_of(server, user_id):
    status, body = server.get(user_id)
    return 0 if status == 404 else body["number_pages_viewed_in_the_last_7_days"]


def counted(page_views, others=0, rejected=0):
    return {"success": True, "page_views": page_views, "others": others, "rejected": rejected}


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/b", "/v1/import", "/beacon/v1/batch"])
def test_a_batch_of_both_formats_is_visible_after_the_answer(server, path):
    """Each route of a batch does this, and its answer has the counts."""
    user = f"batch {path}"
    track = {"type": "track", "userId": user, "event": "Signed up"}
    body = batch(page("/a", userId=user), ours("/b", user), track, page("/c", userId=7.5), 7)
    assert server.request("POST", path, body)[::2] == (
        200,
        counted(2, others=1, rejected=2),
    )
    assert views_of(server, user) == 2
    assert server.request("POST", path, body)[2] == counted(2, others=1, rejected=2)
    assert views_of(server, user) == 2


@pytest.mark.parametrize("kind", ["page", "screen", "track", "identify", "group", "alias"])
def test_the_route_decides_the_kind_of_a_message_without_a_type(server, kind):
    """Each kind has a route with its name and one with its first letter."""
    user = f"single {kind}"
    for path, name in ((f"/v1/{kind}", "/word"), (f"/v1/{kind[0]}", "/letter")):
        message = page(name, userId=user)
        del message["type"]
        body = json.dumps(message).encode()
        assert server.request("POST", path, body)[::2] == (200, {"success": True})
    assert views_of(server, user) == (2 if kind in ("page", "screen") else 0)


@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_lines_are_accepted_like_a_batch(server, compress):
    """Both formats are accepted, after a byte-order mark as well; a bad line rejects no other."""
    user = f"lines {compress}"
    track = {"type": "track", "userId": user, "event": "Signed up"}
    sent = [page("/a", userId=user), ours("/b", user), track, {"type": "page"}]
    lines = b"\xef\xbb\xbf" + b"\r\n".join(json.dumps(one).encode() for one in sent) + b"\n{"
    for headers in ({}, {"Content-Type": "application/x-ndjson"}):
        answer = server.request("POST", "/v1/batch", compress(lines), headers)[::2]
        assert answer == (200, counted(2, others=1, rejected=2))
    assert views_of(server, user) == 2


def test_invalid_lines_are_rejected_if_the_content_type_says_that_they_are_lines(server):
    """They are kept with their line numbers. Without the content type, the body is an error."""
    body = b"{\n\n}\n7"
    declared = {"Content-Type": "application/x-ndjson; charset=utf-8"}
    status, _, answer = server.request("POST", "/v1/batch", body, declared)
    assert (status, answer["code"]) == (400, "invalid_json")
    assert server.request("POST", "/v1/batch", body)[2]["code"] == "invalid_batch"
    with open_store(server.db, lock_timeout=10) as store:
        kept = [
            (bad.line, bad.text) for bad in rejections_of(store) if bad.text in {b"{", b"}", b"7"}
        ]
    assert {(1, b"{"), (3, b"}"), (4, b"7")} <= {*kept}


def test_the_error_for_more_than_2500_lines_says_how_to_send_them(server):
    """No line is stored."""
    body = b"\n".join([json.dumps(ours("/", "too many")).encode()] * 2_501)
    status, _, answer = server.request("POST", "/v1/batch", body)
    assert (status, answer["code"], views_of(server, "too many")) == (413, "batch_too_large", 0)
    assert "split -l 2500" in answer["message"]


def test_a_byte_order_mark_before_a_message_or_a_batch_is_skipped(server):
    """It is also skipped at the beginning of a file."""
    mark, now = b"\xef\xbb\xbf", json.dumps(ours("/", "marked")).encode()
    for path, text in (("/v1/page", now), ("/v1/batch", batch(ours("/2", "marked")))):
        for body in (mark + text, gzip.compress(mark + text)):
            assert server.request("POST", path, body)[0] == 200
    assert views_of(server, "marked") == 2


def test_rejected_messages_are_listed_and_can_be_ingested_after_a_repair(serve, cli, db):
    """They come from a batch with valid messages, a batch without, and a single message."""
    server = serve()
    bad = [page("/1", userId=None), page("/2", timestamp="now"), {"type": "visit"}]
    assert server.request("POST", "/v1/batch", batch(page("/0"), *bad))[0] == 200
    status, _, body = server.request("POST", "/v1/b", batch(bad[1], b"7"))
    assert (status, body["code"], body["field"]) == (400, "invalid_timestamp", "timestamp")
    assert server.request("POST", "/v1/p", b'{"type": "page",\n "userId": "w"}')[0] == 400
    listed = cli("rejects", env={"COLUMNS": "200"}).stdout.decode()
    for word in ("POST /v1/batch", "POST /v1/b ", "POST /v1/p ", "invalid_timestamp"):
        assert word in listed
    lines = cli("rejects", "--jsonl").stdout.splitlines()
    printed = [json.loads(line) for line in lines]
    arrivals = [printed[at].pop("receivedAt") for at in (2, 5)]  # the messages without a time
    assert printed == [*bad, bad[1], 7, {"type": "page", "userId": "w"}]
    assert all(arrival.endswith("Z") for arrival in arrivals)
    repaired = (
        b"\n".join(lines).replace(b"null", b'"v"').replace(b'"now"', b'"2026-11-15T10:00:00Z"')
    )
    assert b"added" in cli("ingest", "-", stdin=repaired).stdout
    with open_store(db, lock_timeout=10) as store:
        assert [view.name for views in store.page_views("v") for view in views] == ["/1"]


def test_2500_messages_are_accepted_and_one_more_is_413(server):
    """Of a larger batch, no message is stored."""
    messages = [page(f"/{number}", userId="many") for number in range(2501)]
    status, _, body = server.request("POST", "/v1/batch", batch(*messages))
    assert (status, body["code"], views_of(server, "many")) == (413, "batch_too_large", 0)
    assert server.request("POST", "/v1/batch", batch(*messages[1:]))[2] == counted(2500)
    assert views_of(server, "many") == 2500


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded", "Content-Encoding": "gzip"},
        {"Content-Type": "nonsense", "Content-Encoding": "br"},
    ],
)
@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_the_body_decides_whatever_the_headers_say(server, headers, compress):
    """The content type and the content encoding are ignored."""
    user = f"{headers} {compress}"
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("POST", "/v1/batch", compress(batch(page("/", userId=user))), headers)
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())) == (200, counted(1))
    connection.close()
    assert views_of(server, user) == 1


def padded(user, length):
    """A batch of `length` bytes, most of which are in a key that is ignored."""
    body = batch(page("/", userId=user))[:-1] + b', "more": ""}'
    return body[:-2] + b"x" * (length - len(body)) + body[-2:]


def test_a_body_may_have_4_mebibytes_as_sent_and_16_decompressed(server):
    """One byte more is an error that names the limit."""
    for body, user in (
        (padded("as sent", 4 * MIB), "as sent"),
        (gzip.compress(padded("decompressed", 16 * MIB), 1), "decompressed"),
    ):
        assert server.request("POST", "/v1/batch", body)[2] == counted(1)
        assert views_of(server, user) == 1
    for body in (padded("over", 4 * MIB + 1), gzip.compress(padded("over", 16 * MIB + 1), 1)):
        status, _, answer = server.request("POST", "/v1/batch", body)
        assert (status, answer["code"]) == (413, "body_too_large")
    assert views_of(server, "over") == 0


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/v1/batch", b"", 400, "invalid_json"),
        ("/v1/batch", b'{"batch": []}', 400, "nothing_sent"),
        ("/v1/batch", b'{"batch": 7}', 400, "invalid_batch"),
        ("/v1/batch", b"[" * 4 * MIB, 400, "invalid_batch"),
        ("/v1/batch", b'{"batch": [' + b"[" * 2 * MIB, 400, "invalid_json"),
        ("/v1/batch", b'{"batch": [' + DEEP + b"]}", 400, "not_an_object"),
        ("/v1/batch", b'{"batch": [' + b"1" * (4 * MIB - 20) + b"]}", 400, "not_an_object"),
        ("/v1/batch", b'{"batch": [{"x": [' + MANY + b"]}]}", 400, "message_too_large"),
        ("/v1/batch", b"1" * 4 * MIB, 400, "invalid_batch"),
        ("/v1/batch", gzip.compress(b'{"batch": []}', mtime=0)[:-2], 400, "invalid_gzip"),
        ("/v1/batch", b"\x1f\x8b" * 9, 400, "invalid_gzip"),
        ("/v1/t", b"", 400, "invalid_json"),
        ("/v1/t", gzip.compress(b"  ", mtime=0), 400, "invalid_json"),
        ("/v1/t", b"[" * 4 * MIB, 400, "not_an_object"),
        ("/v1/p", b'{"x": [' + MANY + b"]}", 400, "message_too_large"),
        ("/v1/t", b'{"x": ' + DEEP + b"}", 400, "too_deep"),
        ("/v1/p", b'{"type": "page", "timestamp": ' + b"1" * 99_999 + b"}", 400, "wrong_type"),
        ("/v1/s", b'{"type": "page", "userId": "\xff"}', 400, "invalid_utf8"),
    ],
)
def test_a_body_that_is_never_valid_is_refused_with_its_reason(server, path, body, status, code):
    """The answer is JSON with a code and a message; without them, Python clients try again."""
    answered, _, answer = server.request("POST", path, body)
    assert (answered, answer["code"], answer["success"]) == (status, code, False)
    assert answer["message"]


def test_a_malformed_message_rejects_no_other_of_its_batch(server):
    """It is not JSON, nested too deep, not UTF-8, or far too long."""
    bad = (
        DEEP,
        b'{"type": "page", "name": "\xff"}',
        b'{"type": "page", "name": "\\ud83d"}',
        b'{"type": "page", "name": "' + b"x" * MIB + b'"}',
        b'{"type": "page", }',
    )
    body = batch(page("/1", userId="sound"), *bad, page("/2", userId="sound"))
    assert server.request("POST", "/v1/batch", body)[2] == counted(2, rejected=5)
    assert views_of(server, "sound") == 2


BOMBS = {
    "blanks": gzip.compress(b" " * 64 * MIB),
    "messages": gzip.compress(b'{"batch":[' + b"0," * (8 * MIB - 20) + b"0]}"),
    "lists": gzip.compress(b'{"batch":[],"sentAt":[' + b"[]," * (5 * MIB) + b"0]}"),
    "brackets": gzip.compress(b'{"batch":[' + b"[" * (15 * MIB)),
}


def test_zip_bombs_cost_no_memory_and_delay_no_other_request(serve):
    """Eight of each kind arrive at once, and other requests are answered meanwhile."""
    server = serve()
    before = peak_of(worker_of(server))
    statuses = []

    def send(bomb):
        statuses.append(server.request("POST", "/v1/batch", bomb)[0])

    threads = [threading.Thread(target=send, args=(bomb,)) for bomb in [*BOMBS.values()] * 8]
    for thread in threads:
        thread.start()
    posted = 0
    while any(thread.is_alive() for thread in threads):
        body = batch(page(f"/{posted}", userId="meanwhile"))
        assert server.request("POST", "/v1/batch", body)[0] == 200
        posted += 1
    assert set(statuses) <= {400, 413}
    assert len(statuses) == 8 * len(BOMBS)
    assert views_of(server, "meanwhile") == posted
    assert peak_of(worker_of(server)) - before < 160 * MIB  # twice the usual amount

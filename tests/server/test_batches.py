"""Batches sent to a real server: what is answered, what is stored, and what is kept as rejected."""

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
def test_a_batch_of_both_formats_is_visible_once_it_is_answered(server, path):
    """By each of its routes, with a slash behind it or none; the answer counts."""
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
def test_a_single_message_is_what_its_route_says_if_it_does_not_say_it(server, kind):
    """By the whole word and by its letter; only two kinds are page views."""
    user = f"single {kind}"
    for path, name in ((f"/v1/{kind}", "/word"), (f"/v1/{kind[0]}", "/letter")):
        message = page(name, userId=user)
        del message["type"]
        body = json.dumps(message).encode()
        assert server.request("POST", path, body)[::2] == (200, {"success": True})
    assert views_of(server, user) == (2 if kind in ("page", "screen") else 0)


@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_lines_are_taken_as_a_batch_is(server, compress):
    """Of both formats, after a byte-order mark; a bad one rejects no other."""
    user = f"lines {compress}"
    track = {"type": "track", "userId": user, "event": "Signed up"}
    sent = [page("/a", userId=user), ours("/b", user), track, {"type": "page"}]
    lines = b"\xef\xbb\xbf" + b"\r\n".join(json.dumps(one).encode() for one in sent) + b"\n{"
    for headers in ({}, {"Content-Type": "application/x-ndjson"}):
        answer = server.request("POST", "/v1/batch", compress(lines), headers)[::2]
        assert answer == (200, counted(2, others=1, rejected=2))
    assert views_of(server, user) == 2


def test_lines_that_are_all_bad_are_refused_if_it_is_told_that_they_are_lines(server):
    """Else they are no batch. Of each, the number of its line is kept."""
    body = b"{\n\n}\n7"
    told = {"Content-Type": "application/x-ndjson; charset=utf-8"}
    status, _, answer = server.request("POST", "/v1/batch", body, told)
    assert (status, answer["code"]) == (400, "invalid_json")
    assert server.request("POST", "/v1/batch", body)[2]["code"] == "invalid_batch"
    with open_store(server.db, lock_timeout=10) as store:
        kept = [
            (bad.line, bad.text) for bad in rejections_of(store) if bad.text in {b"{", b"}", b"7"}
        ]
    assert {(1, b"{"), (3, b"}"), (4, b"7")} <= {*kept}


def test_the_error_for_more_than_2500_lines_says_how_to_send_them(server):
    """None of them is stored."""
    body = b"\n".join([json.dumps(ours("/", "too many")).encode()] * 2_501)
    status, _, answer = server.request("POST", "/v1/batch", body)
    assert (status, answer["code"], views_of(server, "too many")) == (413, "batch_too_large", 0)
    assert "split -l 2500" in answer["message"]


def test_a_byte_order_mark_before_a_message_or_a_batch_is_skipped(server):
    """As before a file's lines."""
    mark, now = b"\xef\xbb\xbf", json.dumps(ours("/", "marked")).encode()
    for path, text in (("/v1/page", now), ("/v1/batch", batch(ours("/2", "marked")))):
        for body in (mark + text, gzip.compress(mark + text)):
            assert server.request("POST", path, body)[0] == 200
    assert views_of(server, "marked") == 2


def test_what_is_rejected_is_listed_and_can_be_ingested_once_repaired(serve, cli, db):
    """Of a batch with something good, of one with nothing good, and a single message."""
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
    arrivals = [printed[at].pop("receivedAt") for at in (2, 5)]  # of those that tell no time
    assert printed == [*bad, bad[1], 7, {"type": "page", "userId": "w"}]
    assert all(arrival.endswith("Z") for arrival in arrivals)
    repaired = (
        b"\n".join(lines).replace(b"null", b'"v"').replace(b'"now"', b'"2026-11-15T10:00:00Z"')
    )
    assert b"added" in cli("ingest", "-", stdin=repaired).stdout
    with open_store(db, lock_timeout=10) as store:
        assert [view.name for views in store.page_views("v") for view in views] == ["/1"]


def test_2500_messages_are_taken_and_one_more_is_413(server):
    """Then, none of them is stored."""
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
    """Of its type, and whether it is compressed."""
    user = f"{headers} {compress}"
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("POST", "/v1/batch", compress(batch(page("/", userId=user))), headers)
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())) == (200, counted(1))
    connection.close()
    assert views_of(server, user) == 1


def padded(user, length):
    """A batch of exactly so many bytes, most of which nobody looks at."""
    body = batch(page("/", userId=user))[:-1] + b', "more": ""}'
    return body[:-2] + b"x" * (length - len(body)) + body[-2:]


def test_4_mebibytes_are_taken_as_sent_and_16_as_inflated_and_not_one_byte_more(server):
    """The client hears why."""
    for body, user in (
        (padded("as sent", 4 * MIB), "as sent"),
        (gzip.compress(padded("decompress", 16 * MIB), 1), "decompress"),
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
    """As JSON, with code and message: clients for Python fail without them, and try again."""
    answered, _, answer = server.request("POST", path, body)
    assert (answered, answer["code"], answer["success"]) == (status, code, False)
    assert answer["message"]


def test_a_message_that_is_no_json_or_nested_too_deep_does_not_sink_its_batch(server):
    """Neither does one that is not UTF-8, or far too long."""
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
    """Eight at once of each kind: others are answered while they are looked at."""
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
    assert peak_of(worker_of(server)) - before < 160 * MIB  # twice as much as it takes

"""Limits: slow, half-closed, vanished and too many clients do not prevent answers to others."""

import json
import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from behavstats.store.sqlite.lock import StoreLock
from tests.support.edge import (
    MIB,
    answer_of,
    answers_of,
    batch,
    connect,
    head,
    ours,
    page,
    peak_of,
    post,
    rest_of,
    wait_until,
    worker_of,
)
from tests.support.keyed import SECRET_KEY, WRITE_KEY, WRONG_KEY, bearer

EVENT = json.dumps(ours("/")).encode()
STARTED = head("POST", "/v1/page", "Content-Length: 1000") + b"{"


def healthy(server):
    return server.request("GET", "/healthz")[0] == 200


def posts(server, count=1):
    """Post some page views one after the other; return whether all were accepted."""
    bodies = [json.dumps(ours(f"/{number}")).encode() for number in range(count)]
    return [server.request("POST", "/v1/page", body)[0] for body in bodies] == [200] * count


def test_a_client_that_sends_too_slowly_reads_408_and_is_disconnected(serve):
    """It sends nothing more, or a byte from time to time, with a length or in chunks."""
    server = serve(limits=("server.request_slots._SECONDS_TO_SEND=3",))
    with ExitStack() as connections:
        slow = [connections.enter_context(connect(server)) for _ in range(3)]
        slow[0].sendall(STARTED)
        slow[1].sendall(head("POST", "/v1/batch", "Transfer-Encoding: chunked") + b"5\r\n{")
        slow[2].sendall(head("POST", "/v1/p", "Content-Length: 100000"))
        is_over = threading.Event()

        def trickle():
            try:
                while not is_over.wait(0.05):
                    slow[2].sendall(b" ")
            except OSError:
                return

        trickling = threading.Thread(target=trickle)
        trickling.start()
        assert posts(server)
        for connection in slow:
            status, headers, body = answer_of(connection)
            assert (status, body["code"], body["success"]) == (408, "request_timeout", False)
            assert headers["content-type"] == "application/json"
            assert body["message"]
            assert rest_of(connection) == b""
        is_over.set()
        trickling.join()
    assert server.get("u")[0] == 200
    assert server.stop() == 0


def test_an_idle_connection_is_closed(serve):
    """It is idle before the first request, in the middle of the headers, or after an answer."""
    server = serve(limits=("daemon.supervisor._MS_FOR_HEADERS=5000",))
    with ExitStack() as connections:
        idle = {}
        for sent in (b"", b"GET /heal", head("GET", "/healthz")):
            idle[sent] = connections.enter_context(connect(server))
            idle[sent].sendall(sent)
        for sent, connection in idle.items():
            assert rest_of(connection).count(b"HTTP/1.1 200") == sent.count(b"\r\n\r\n")


def test_hundreds_of_idle_clients_do_not_delay_the_others(serve):
    """Some have sent nothing, some a part of a body; all of them vanish."""
    server = serve()
    before = peak_of(worker_of(server))
    for _ in range(2):
        with ExitStack() as connections:
            for number in range(300):
                connection = connections.enter_context(connect(server))
                connection.sendall((b"", STARTED, STARTED + b"x" * 900)[number % 3])
                if number % 50 == 0:
                    assert healthy(server)
            assert posts(server, 20)
            assert server.get("u")[0] == 200
    assert posts(server, 20)
    assert peak_of(worker_of(server)) - before < 64 * MIB  # four times the usual amount


def test_a_client_that_is_gone_before_it_is_answered_does_no_harm(serve, db):
    """Complete requests may be stored; sending them again changes nothing."""
    server = serve()
    with StoreLock(db, lock_timeout=5).held():
        for number in range(30):
            with connect(server) as connection:
                connection.sendall(post("/v1/batch", batch(page(f"/{number}", userId="gone"))))
                if number % 2:  # close at once, with a reset
                    linger = (1).to_bytes(4, "little") + bytes(4)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        assert healthy(server)
    for number in range(30):
        assert (
            server.request("POST", "/v1/batch", batch(page(f"/{number}", userId="gone")))[0] == 200
        )
    assert server.stop() == 0
    assert "Traceback" not in server.stderr
    assert '"level":"error"' not in server.stderr


@pytest.mark.parametrize("sent", [STARTED, head("POST", "/v1/page", "Content-Length: 9")])
def test_a_client_that_closes_one_direction_in_the_middle_of_a_body_reads_an_error(server, sent):
    """The error is the client's. Nothing is stored, and other clients are answered."""
    with connect(server) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        status, headers, body = answer_of(connection)
        assert (status, headers["content-type"]) == (400, "application/json")
        assert (body["code"], body["success"]) == ("incomplete_body", False)
    assert posts(server)


def refused(answer):
    """Return whether an answer is the JSON error of an overloaded server."""
    status, headers, body = answer
    headers = {name.lower(): value for name, value in dict(headers).items()}
    assert (status, headers["retry-after"]) == (503, "1")
    assert (body["success"], body["code"]) == (False, "overloaded")
    return bool(body["message"])


def test_too_many_requests_with_bodies_are_refused_and_others_answered(serve):
    """Requests in progress succeed; afterwards, further requests do as well."""
    server = serve(
        limits=(
            "server.request_slots._MOST_REQUESTS=5",
            "server.request_slots._SECONDS_TO_KEEP_SLOT=60",
        )
    )
    bodies = [json.dumps(ours(f"/slow/{number}")).encode() for number in range(5)]
    with ExitStack() as connections:
        slow = [connections.enter_context(connect(server)) for _ in bodies]
        for body, connection in zip(bodies, slow, strict=True):
            length = f"Content-Length: {len(body)}"
            connection.sendall(head("POST", "/v1/page", length, "Expect: 100-continue"))
            assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        for _ in range(20):
            assert refused(server.request("POST", "/v1/page", EVENT))
            assert healthy(server)
        assert refused(server.request("GET", "/readyz"))
        for body, connection in zip(bodies, slow, strict=True):
            connection.sendall(body)
            assert answer_of(connection)[0] == 200
    assert posts(server, 20)


def holding(server, connections, body):
    """Return a connection on which all but the last byte of a body was sent.

    The body leaves no room for another one of its size. If the server refuses it, because it came
    at the same time as the post that checks for room, it is sent again.
    """
    while True:
        connection = connections.enter_context(connect(server))
        connection.sendall(post("/v1/batch", body)[:-1])
        time.sleep(0.05)
        if all(server.request("POST", "/v1/batch", body)[0] == 503 for _ in range(2)):
            return connection
        connection.close()


def test_too_many_bytes_of_bodies_are_refused_but_small_bodies_accepted(serve):
    """A few slow clients with large bodies do not keep out clients with small ones."""
    server = serve(limits=(f"server.body_reader._MOST_HELD={MIB}",))
    large = batch(page("/large"))[:-1] + b', "x": "' + b"x" * (MIB - 10_000) + b'"}'
    with ExitStack() as connections:
        slow = holding(server, connections, large)
        assert refused(server.request("POST", "/v1/batch", large))
        assert posts(server, 10)
        slow.sendall(large[-1:])
        assert answer_of(slow)[0] == 200
        holding(server, connections, large)  # closed at the end of the block
    wait_until(lambda: server.request("POST", "/v1/batch", large)[0] == 200)
    assert [server.request("POST", "/v1/batch", large)[0] for _ in range(10)] == [200] * 10


KEYS = ("--write-key", WRITE_KEY, "--secret-key", SECRET_KEY)


def half_sent(server, connections, path="/v1/page", *headers):
    """Return a connection on which a post was begun but not completed."""
    connection = connections.enter_context(connect(server))
    connection.sendall(head("POST", path, "Content-Length: 1000", *headers) + b"{")
    return connection


def test_half_sent_unauthenticated_bodies_keep_no_client_with_a_key_out(serve):
    """They have a limit of their own, which also applies to clients with their key in the body."""
    limits = ("_MOST_UNAUTHENTICATED=5", "_MOST_REQUESTS=8", "_SECONDS_TO_KEEP_SLOT=60")
    server = serve(*KEYS, limits=[f"server.request_slots.{limit}" for limit in limits])
    in_body = json.dumps(ours("/") | {"writeKey": WRITE_KEY}).encode()
    with ExitStack() as connections:
        for _ in range(5):
            waiting = half_sent(server, connections, "/v1/page", "Expect: 100-continue")
            assert waiting.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        for _ in range(15):
            assert refused(answer_of(half_sent(server, connections)))
        for _ in range(5):
            assert server.request("POST", "/v1/page", EVENT, bearer(WRITE_KEY))[0] == 200
            assert server.request("GET", "/v1/user/u", None, bearer(SECRET_KEY))[0] == 200
            assert refused(server.request("POST", "/v1/page", in_body))
        assert server.request("GET", "/readyz")[0] == 200
    wait_until(lambda: server.request("POST", "/v1/page", in_body)[0] == 200)


@pytest.mark.parametrize(
    ("limit", "shown"),
    [("_MOST_REQUESTS", bearer(WRITE_KEY)), ("_MOST_UNAUTHENTICATED", {})],
    ids=["with a key", "unauthenticated"],
)
def test_the_oldest_half_sent_body_makes_room_when_a_limit_is_reached(serve, limit, shown):
    """Its client gets 503. The new request and all others succeed, and the server is ready."""
    limits = (f"server.request_slots.{limit}=5", "server.request_slots._SECONDS_TO_KEEP_SLOT=0.5")
    server = serve(*KEYS, limits=limits)
    lines = [f"{name}: {value}" for name, value in shown.items()]
    whole = json.dumps(ours("/") | {"writeKey": WRITE_KEY}).encode().ljust(1000)
    with ExitStack() as connections:
        waiting = []
        for _ in range(5):
            waiting.append(
                half_sent(server, connections, "/v1/page", "Expect: 100-continue", *lines)
            )
            assert waiting[-1].recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        wait_until(lambda: server.request("GET", "/readyz")[0] == 200)
        wait_until(lambda: server.request("POST", "/v1/page", whole, shown)[0] == 200)
        assert refused(answer_of(waiting[0]))
        assert rest_of(waiting[0]) == b""
        for connection in waiting[1:]:
            connection.sendall(whole[1:])
            assert answer_of(connection)[0] == 200
    assert server.stop() == 0
    assert "Traceback" not in server.stderr


def test_unauthenticated_bytes_keep_no_client_with_a_key_out(serve):
    """Small unauthenticated bodies are accepted as well."""
    server = serve(*KEYS, limits=(f"server.body_reader._MOST_HELD_UNAUTHENTICATED={MIB}",))
    large = batch(page("/"), writeKey=WRITE_KEY)[:-1] + b', "x": "' + b"x" * (MIB - 9_999) + b'"}'
    with ExitStack() as connections:
        slow = holding(server, connections, large)
        assert server.request("POST", "/v1/batch", large, bearer(WRITE_KEY))[0] == 200
        assert server.request("POST", "/v1/batch", batch(page("/"), writeKey=WRITE_KEY))[0] == 200
        slow.sendall(large[-1:])
        assert answer_of(slow)[0] == 200


def test_a_request_that_is_refused_by_its_headers_is_answered_before_its_body_is_sent(serve):
    """The connection can be used again after the body was sent."""
    server = serve(*KEYS)
    cases = (
        (401, "/v1/page", bearer(WRONG_KEY)),
        (401, f"/v1/batch?writeKey={WRONG_KEY}", {}),
        (404, "/v1/nothing", {}),
        (405, "/v1/user/u", bearer(SECRET_KEY)),
    )
    for status, path, headers in cases:
        with ExitStack() as connections:
            lines = [f"{name}: {value}" for name, value in headers.items()]
            connection = half_sent(server, connections, path, *lines)
            assert answer_of(connection)[0] == status
            connection.sendall(b"x" * 999 + head("GET", "/healthz"))
            assert answer_of(connection)[0] == 200
        assert server.request("POST", path, b"x" * 8 * MIB, headers)[0] == status


def test_too_many_waiting_payloads_are_refused_and_the_others_stored(serve, db):
    """Another process holds the store. Reads are answered meanwhile, and memory is bounded."""
    limit = 2 * MIB
    server = serve(
        limits=(f"server.group_commit._MOST_WAITING={limit}", "cli.serve._LOCK_TIMEOUT=60")
    )
    before = peak_of(worker_of(server))
    bodies = [
        batch(*(page(f"/{number}/{n}", userId="waits") for n in range(500))) for number in range(40)
    ]
    answers = {}

    def send(number):
        answers[number] = server.request("POST", "/v1/batch", bodies[number])

    threads = [threading.Thread(target=send, args=(number,)) for number in range(len(bodies))]
    with StoreLock(db, lock_timeout=5).held():
        for thread in threads:
            thread.start()
        wait_until(lambda: len(answers) >= 20)
        assert all(refused(answer) for answer in list(answers.values()))
        assert server.request("GET", "/readyz")[0] == 503
        assert healthy(server)
    for thread in threads:
        thread.join()
    statuses = [answers[number][0] for number in range(len(bodies))]
    assert set(statuses) == {200, 503}
    _, profile = server.get("waits", "?days=1")
    assert list(profile.values())[1] == 500 * statuses.count(200)
    for number in range(len(bodies)):
        send(number)
    assert {answers[number][0] for number in answers} == {200}
    assert list(server.get("waits", "?days=1")[1].values())[1] == 500 * len(bodies)
    assert peak_of(worker_of(server)) - before < 100 * MIB  # four times the usual amount


def test_a_connection_beyond_the_cap_is_answered_as_soon_as_another_closes(serve):
    """Until then, it waits in the kernel and takes no memory of the server."""
    server = serve(
        limits=("daemon.supervisor.MOST_CONNECTIONS=4", "daemon.supervisor._MS_FOR_HEADERS=2000")
    )
    with ExitStack() as connections:
        for _ in range(4):
            connections.enter_context(connect(server))
        beyond = connections.enter_context(connect(server))
        beyond.sendall(head("GET", "/healthz"))
        assert answer_of(beyond)[0] == 200


def test_posts_and_reads_succeed_while_large_bodies_are_received(serve):
    """Several bodies of some megabytes are received slowly at the same time."""
    server = serve()
    large = batch(page("/large"))[:-1] + b', "x": "' + b"x" * 3 * MIB + b'"}'
    statuses = []

    def send():
        with connect(server) as connection:
            request = post("/v1/batch", large)
            for start in range(0, len(request), MIB // 4):
                connection.sendall(request[start : start + MIB // 4])
                time.sleep(0.01)
            statuses.append(answer_of(connection)[0])

    threads = [threading.Thread(target=send) for _ in range(12)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert posts(server)
        assert server.get("u")[0] == 200
    assert statuses == [200] * 12


def test_a_connection_that_pipelines_gets_every_answer_in_order(server):
    """There are valid and invalid requests, reads and writes."""
    requests, statuses = [], []
    for number in range(30):
        requests += post("/v1/page", EVENT), head("GET", "/v1/user/u"), post("/v1/page", b"{")
        requests += head("GET", f"/{number}"), head("DELETE", "/v1/user/nobody")
        statuses += 200, 200, 400, 404, 404
    with connect(server) as connection:
        connection.sendall(b"".join(requests))
        assert [answer[0] for answer in answers_of(connection, len(statuses))] == statuses


def test_a_client_that_does_not_read_its_answers_is_disconnected(serve):
    """Otherwise, it could keep answers and connections for as long as it likes."""
    server = serve(limits=("daemon.sockets._MS_TO_READ=5000",))
    assert posts(server, 10)  # by then, the time-out of the listening socket is set
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", server.port))
        connection.sendall(head("GET", "/docs/swagger-ui-bundle.js") * 50)
        ends = f":{server.port:04X} 0100007F:{connection.getsockname()[1]:04X}"
        assert ends in Path("/proc/net/tcp").read_text()
        wait_until(lambda: ends not in Path("/proc/net/tcp").read_text())
    assert posts(server)

"""Requests that browsers and clients do not send, but somebody may."""

import json

import pytest

from tests.conftest import ServerProcess
from tests.support.edge import answer_of, answers_of, connect, head, ours, post, rest_of


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One server for all tests here, with one user."""
    server = ServerProcess(tmp_path_factory.mktemp("requests") / "store.db")
    assert server.request("POST", "/v1/page", json.dumps(ours("/")).encode())[0] == 200
    yield server
    server.stop()


def asked(server, request):
    with connect(server) as connection:
        connection.sendall(request)
        answer = answer_of(connection)
        return answer[0], answer[2]


@pytest.mark.parametrize("path", ["/v1/user/u", "/v1/user/nobody", "/healthz", "/metrics", "/docs"])
def test_head_is_get_without_the_body(server, path):
    """The headers are the same, and the connection goes on."""
    with connect(server) as connection:
        connection.sendall(head("HEAD", path) + head("HEAD", path) + head("GET", "/nothing"))
        text = b""
        while b"there is nothing" not in text:
            text += connection.recv(65536)
    first, second, third = text.split(b"HTTP/1.1 ")[1:]
    assert first.endswith(b"\r\n\r\n")
    assert first[:3] == second[:3] == (b"404" if b"nobody" in path.encode() else b"200")
    assert b"content-length: 0" not in first
    assert third.startswith(b"404")


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost", 200), ("127.0.0.1:8000", 200), ("[::1]", 200), ("example.org", 403), ("", 403)],
)
def test_without_keys_the_host_has_to_be_this_machine(server, host, status):
    """Also where the target names another one, which would be looked at first."""
    for target in ("/v1/user/u", "http://localhost/v1/user/u"):
        request = f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
        assert asked(server, request)[0] == status


def test_of_two_hosts_none_may_be_another_machine(server):
    """In whichever order they come; without any, nobody knows which page asks."""
    for hosts in (["localhost", "example.org"], ["example.org", "localhost"], []):
        lines = ["GET /v1/user/u HTTP/1.1", *(f"Host: {host}" for host in hosts)]
        assert asked(server, ("\r\n".join(lines) + "\r\n\r\n").encode())[0] in (400, 403)


def test_a_target_in_absolute_form_is_its_path(server):
    """As a proxy is asked."""
    status, body = asked(server, head("GET", "http://localhost/v1/user/u?days=30"))
    assert (status, body["number_pages_viewed_in_the_last_30_days"]) == (200, 1)


def test_a_very_long_query_is_refused_before_it_is_taken_apart(server):
    """That would keep all others waiting; one that is as long as a server's usual limit is fine."""
    for filler, status in (
        ("writeKey=" + "x" * 8_000, 200),
        ("&" * 8_000, 200),
        ("&" * 60_000, 400),
    ):
        answered, body = asked(server, head("GET", f"/v1/user/u?days=30&{filler}"))
        assert answered == status
        assert body.get("code", "query_too_long") == "query_too_long"
    with connect(server) as connection:  # what the server does not even read, granian refuses
        connection.sendall(head("GET", "/v1/user/u?" + "x" * 100_000))
        assert rest_of(connection)[:12] in (b"HTTP/1.1 414", b"HTTP/1.1 431", b"")


def test_a_very_long_path_is_an_invalid_user_or_not_found(server):
    """Whatever is in it."""
    for path in ("/v1/user/" + "%41" * 20_000, "/v1/user/" + "a/" * 30_000, "/" + "a/" * 30_000):
        status, body = asked(server, head("GET", path))
        assert (status, body["code"]) in ((400, "invalid_user_id"), (404, "not_found"))


def test_a_body_where_none_belongs_is_read_and_ignored(server):
    """The next request on the connection is not taken for a part of it."""
    body = b"GET /nothing HTTP/1.1\r\n\r\n"
    with_body = head("GET", "/v1/user/u", f"Content-Length: {len(body)}") + body
    empty = head("POST", "/v1/page", "Content-Length: 0")
    with connect(server) as connection:
        connection.sendall(with_body + empty + head("POST", "/v1/page") + head("GET", "/healthz"))
        assert [answer[0] for answer in answers_of(connection, 4)] == [200, 400, 400, 200]


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /v1/user/\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n",
        b"POST /v1/page HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        head("POST", "/v1/page", "Content-Length: 2", "Content-Length: 3") + b"{}",
        head("POST", "/v1/page", "Transfer-Encoding: chunked") + b"zz\r\n",
        head("POST", "/v1/page", "Content-Length: 2", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
        head("OPTIONS", "*"),
        head("CONNECT", "localhost:80"),
        head("TRACE", "/v1/page"),
    ],
    ids=lambda request: request[:12].hex(),
)
def test_a_malformed_request_is_an_error_of_the_client(server, request_):
    """Never one of the server's; others are answered afterwards."""
    with connect(server) as connection:
        connection.sendall(request_)
        assert connection.recv(12) in (b"HTTP/1.1 400", b"HTTP/1.1 404", b"HTTP/1.1 405")
    assert asked(server, post("/v1/page", json.dumps(ours("/")).encode()))[0] == 200

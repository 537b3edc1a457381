"""Whatever is sent to a real server, it answers, and goes on."""

import gzip
import json
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from behavstats.server.routes import ROUTES
from tests.decode.test_decoders import BODIES
from tests.support.keyed import SECRET_KEY, bearer, running

_PATHS = st.sampled_from([route.path.encode() for route in ROUTES])
_NAMES = st.sampled_from(
    (b"Authorization", b"X-Write-Key", b"Origin", b"Host", b"Content-Type", b"Content-Encoding")
) | st.sampled_from((b"Access-Control-Request-Headers", b"X-Forwarded-Proto", b"Cookie", b"Accept"))


def _bytes_but(*excluded):
    """Return a strategy for bytes that a request line or a header can have."""
    allowed = [byte for byte in range(256) if byte not in excluded]
    return st.lists(st.sampled_from(allowed), max_size=30).map(bytes)


_IN_LINE = _bytes_but(*range(0x21), 0x7F, ord("#"))
_IN_HEADER = _bytes_but(*range(9), *range(10, 32), 0x7F)
_QUERIES = st.lists(
    st.tuples(st.sampled_from((b"days", b"as_of", b"detail", b"writeKey")) | _IN_LINE, _IN_LINE),
    max_size=3,
).map(lambda pairs: b"&".join(b"%s=%s" % pair for pair in pairs))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One server with keys for all requests; it has met nothing unexpected at the end."""
    with running(tmp_path_factory.mktemp("any")) as server:
        yield server
        server.stop()
        assert '"error"' not in server.log
        assert '"status":500' not in server.log


def answer_to(server, head, body):
    """Send a request as it stands; return the status, and all that follows the headers."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        length = b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
        connection.sendall(head + length + body)
        headers, _, content = connection.makefile("rb").read().partition(b"\r\n\r\n")
    return int(headers.split()[1]), content


@given(
    method=st.sampled_from((b"GET", b"POST", b"DELETE", b"OPTIONS", b"HEAD", b"PUT")),
    path=_PATHS
    | st.builds(bytes.replace, _PATHS, st.sampled_from((b"{user_id}", b"{key}")), _IN_LINE),
    query=_QUERIES,
    headers=st.lists(st.tuples(_NAMES, _IN_HEADER), max_size=3),
    has_key=st.booleans(),
    body=BODIES | BODIES.map(gzip.compress),
)
def test_no_request_leads_to_an_unexpected_error(
    server, method, path, query, headers, has_key, body
):
    """The answer is a result, or an error of the client."""
    lines = [b"%s %s?%s HTTP/1.1" % (method, path, query), b"Host: 127.0.0.1"]
    if has_key:
        lines.append(b"Authorization: " + bearer(SECRET_KEY)["Authorization"].encode())
    lines += [b"%s: %s" % header for header in headers]
    status, content = answer_to(server, b"\r\n".join(lines) + b"\r\n", body)
    assert status < 500
    if content and status not in {200, 204} and content.startswith(b"{"):
        failure = json.loads(content)
        assert failure["success"] is False
        assert failure["code"] != "internal_error"


def test_the_server_still_answers(server):
    """After all those requests."""
    assert server.request("GET", "/readyz")[0] == 200

"""Origins: which web pages may send requests, and which answers they may read."""

import socket

import pytest

from behavstats.errors import InvalidInput
from behavstats.server.auth import Keys
from behavstats.server.body import MAX_BODY_BYTES
from behavstats.server.origins import Origins
from tests.conftest import user_path
from tests.support.keyed import (
    SECRET_KEY,
    SEND,
    WRITE_KEY,
    WRONG_KEY,
    bearer,
    body_of,
    named,
    page_view,
    path_of,
    routes,
    running,
)

SHOP, APP, EVIL = "https://shop.example", "http://localhost:3000", "https://evil.example"
WRITING = [route for route in routes() if route.takes]
OTHER_KINDS = [route for route in routes() if not route.takes]
ALLOW_ORIGIN = "Access-Control-Allow-Origin"
SEGMENT_HEADERS = "authorization"
SEGMENT_RETRY_HEADERS = "authorization,x-retry-count"
RUDDERSTACK_HEADERS = "anonymousid,authorization,content-type,sentat"


@pytest.fixture(scope="module")
def with_keys(tmp_path_factory):
    """A server with keys, and the default origins."""
    with running(tmp_path_factory.mktemp("keys")) as server:
        yield server


@pytest.fixture(scope="module")
def with_origins(tmp_path_factory):
    """A server with keys that allows two origins."""
    options = ("--cors-origin", SHOP, "--cors-origin", APP)
    with running(tmp_path_factory.mktemp("origins"), *options) as server:
        yield server


@pytest.fixture(scope="module")
def keyless(tmp_path_factory):
    """A server without keys, and the default origins."""
    with running(tmp_path_factory.mktemp("keyless"), keys={}) as server:
        yield server


@pytest.fixture(scope="module")
def keyless_for_the_app(tmp_path_factory):
    """A server without keys that allows one origin on this machine."""
    folder = tmp_path_factory.mktemp("app")
    with running(folder, "--cors-origin", APP, keys={}) as server:
        yield server


def preflight(server, route, origin=SHOP, asked=SEGMENT_HEADERS, **headers):
    """Send a preflight as a browser does; return the status and the headers of the answer."""
    asking = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": asked,
    }
    return server.request("OPTIONS", path_of(route), None, asking | headers)[:2]


@pytest.mark.parametrize("route", WRITING, ids=named)
@pytest.mark.parametrize("asked", [SEGMENT_HEADERS, SEGMENT_RETRY_HEADERS, RUDDERSTACK_HEADERS])
def test_a_preflight_allows_a_page_to_send(with_keys, route, asked):
    """If the server has keys, any origin and all headers of clients are allowed.

    The preflight has no key, because browsers send none.
    """
    status, headers = preflight(with_keys, route, asked=asked)
    assert (status, headers[ALLOW_ORIGIN]) == (204, "*")
    assert headers["Access-Control-Allow-Methods"] == "POST"
    assert headers["Access-Control-Allow-Headers"] == asked
    assert int(headers["Access-Control-Max-Age"]) > 0
    assert "Access-Control-Allow-Credentials" not in headers


@pytest.mark.parametrize("route", OTHER_KINDS, ids=named)
def test_routes_that_read_or_erase_have_no_preflight(with_keys, route):
    """So no browser lets a page of another origin read or erase with a key."""
    status, headers = preflight(with_keys, route)
    assert (status, headers[ALLOW_ORIGIN]) == (405, None)


@pytest.mark.parametrize("asked", ["x" * 1_001, "a(b)", 'a"', "<script>", "é"])
def test_a_preflight_does_not_repeat_an_invalid_list_of_headers(with_keys, asked):
    """Only names of headers, up to a certain length, are repeated."""
    status, headers = preflight(with_keys, WRITING[0], asked=asked)
    assert (status, headers["Access-Control-Allow-Headers"]) == (204, None)


@pytest.mark.parametrize("route", WRITING, ids=named)
def test_a_page_may_read_the_answer_to_its_request(with_keys, route):
    """It may also read the headers with the time for a retry and with the request's id."""
    status, headers, _ = with_keys.ask(route, Origin=SHOP, **bearer(WRITE_KEY))
    assert (status, headers[ALLOW_ORIGIN]) == (200, "*")
    exposed = headers["Access-Control-Expose-Headers"].split(", ")
    assert exposed == ["Retry-After", "X-Request-Id"]


@pytest.mark.parametrize(
    ("body", "key", "expected"),
    [
        (b"{", WRITE_KEY, 400),
        (b"{}", WRONG_KEY, 401),
        (b"{}", None, 401),
        (b" " * (MAX_BODY_BYTES + 1), WRITE_KEY, 413),
    ],
)
def test_a_page_may_read_errors_as_well(with_origins, body, key, expected):
    """Otherwise, a client would not know whether a retry can succeed."""
    headers = {"Origin": SHOP} | (bearer(key) if key else {})
    status, answered, answer = with_origins.request("POST", SEND, body, headers)
    assert (status, answered[ALLOW_ORIGIN], answered["Vary"]) == (expected, SHOP, "Origin")
    assert answer["success"] is False


def test_a_page_may_read_that_the_store_is_unavailable(tmp_path):
    """It may read the status 503 and the header with the time for a retry."""
    with running(tmp_path) as server:
        for file in server.db.parent.glob("store.db*"):
            file.unlink()
        server.db.write_bytes(b"something else " * 1000)
        headers = {"Origin": SHOP} | bearer(WRITE_KEY)
        status, answered, _ = server.request("POST", SEND, page_view("u"), headers)
        assert (status, answered[ALLOW_ORIGIN], answered["Retry-After"]) == (503, "*", "1")
        assert "Retry-After" in answered["Access-Control-Expose-Headers"]


@pytest.mark.parametrize("route", routes(2), ids=named)
def test_a_page_of_another_origin_may_not_read_a_profile(with_keys, route):
    """It may not even with a secret key, which does not belong in a page."""
    with_keys.send("u", **bearer(WRITE_KEY))
    for origin in (SHOP, "null"):
        headers = with_keys.ask(route, Origin=origin, **bearer(SECRET_KEY))[1]
        assert not [name for name in headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize("route", WRITING, ids=named)
def test_only_the_origins_in_the_options_are_allowed(with_origins, route):
    """Pages of other origins cannot read an answer, and their preflights are refused."""
    for origin, allowed in ((SHOP, SHOP), (APP, APP), (EVIL, None), ("null", None)):
        status, headers = preflight(with_origins, route, origin)
        assert (status, headers[ALLOW_ORIGIN]) == (204 if allowed else 403, allowed)
        status, headers, _ = with_origins.ask(route, Origin=origin, **bearer(WRITE_KEY))
        assert (status, headers[ALLOW_ORIGIN]) == (200, allowed), "if there are keys, they decide"


@pytest.mark.parametrize("origin", ["http://shop.example", SHOP + ":8443", SHOP + ".evil.example"])
def test_an_origin_that_only_looks_similar_is_not_allowed(with_origins, origin):
    """It differs in its scheme, its port, or the end of its host."""
    status, headers = preflight(with_origins, WRITING[0], origin)
    assert (status, headers[ALLOW_ORIGIN]) == (403, None)


def test_a_preflight_without_an_origin_is_refused(with_keys):
    """Browsers always send the header."""
    assert with_keys.request("OPTIONS", SEND)[0] == 403


@pytest.mark.parametrize("route", routes(), ids=named)
def test_without_keys_requests_of_pages_of_other_origins_are_refused(keyless, route):
    """This includes "simple" requests, which have no preflight, and an empty origin."""
    for origin in (EVIL, "null", APP, f"http://127.0.0.1:{keyless.port + 1}", ""):
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/json"):
            user = "of-a-page"
            headers = {"Origin": origin, "Content-Type": kind}
            body = body_of(route, user)
            path = path_of(route, user)
            status, answered, answer = keyless.request(route.method, path, body, headers)
            assert (status, answered[ALLOW_ORIGIN]) == (403, None)
            assert answer["code"] == "forbidden"
    assert keyless.request("GET", user_path("of-a-page"))[0] == 404


@pytest.mark.parametrize("route", WRITING, ids=named)
def test_without_keys_preflights_are_refused_by_default(keyless, route):
    """Another origin has to be allowed by an option."""
    for origin in (EVIL, "null"):
        status, headers = preflight(keyless, route, origin)
        assert (status, headers[ALLOW_ORIGIN]) == (403, None)


@pytest.mark.parametrize("route", routes(), ids=named)
@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example"])
def test_without_keys_dns_rebinding_does_not_reach_the_store(keyless, route, host):
    """To the browser, such a page has the same origin, so the `Origin` matches or is missing."""
    for headers in ({}, {"Origin": f"http://{host}"}):
        body = body_of(route, "rebound")
        asking = headers | {"Host": host}
        status = keyless.request(route.method, path_of(route), body, asking)[0]
        assert status == 403
    assert keyless.request("GET", user_path("rebound"))[0] == 404


def test_a_preflight_with_the_name_of_another_host_is_refused(keyless_for_the_app):
    """It is refused even from an allowed origin."""
    host = {"Host": "evil.example"}
    assert preflight(keyless_for_the_app, WRITING[0], APP, **host)[0] == 403


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:80", "127.0.0.1:1", "127.9.9.9", "[::1]:8"]
)
def test_without_keys_each_name_of_the_loopback_interface_is_accepted(keyless, host):
    """The port may be any, because a port may be forwarded."""
    assert keyless.send("local", Host=host) == 200


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "[::]", "10.0.0.1", "localhost.evil.example", "::1:x"]
)
def test_without_keys_the_names_of_other_hosts_are_refused(keyless, host):
    """A malformed host is refused as well."""
    assert keyless.send("local", Host=host) == 403


def test_without_keys_a_request_without_a_host_is_refused(keyless):
    """Browsers always send the header, and other programs can send it."""
    with socket.create_connection(("127.0.0.1", keyless.port), timeout=30) as connection:
        connection.sendall(b"GET /v1/user/u HTTP/1.0\r\n\r\n")
        answer = connection.makefile("rb").readline()
    assert answer.split()[1] == b"403"


def test_without_keys_the_servers_own_page_may_do_everything(keyless):
    """`/docs` sends requests from the same origin."""
    own = {"Origin": f"http://127.0.0.1:{keyless.port}"}
    assert keyless.send("own", **own) == 200
    assert keyless.request("GET", user_path("own"), None, own)[0] == 200
    assert keyless.request("DELETE", user_path("own"), None, own)[0] == 200


def test_without_keys_an_allowed_origin_may_only_send(keyless_for_the_app):
    """Its page may read the answer, but it can neither read a profile nor erase a user."""
    server = keyless_for_the_app
    status, headers = preflight(server, WRITING[0], APP)
    assert (status, headers[ALLOW_ORIGIN]) == (204, APP)
    status, headers, _ = server.request("POST", SEND, page_view("u"), {"Origin": APP})
    assert (status, headers[ALLOW_ORIGIN]) == (200, APP)
    for method in ("GET", "DELETE"):
        status, headers, _ = server.request(method, user_path("u"), None, {"Origin": APP})
        assert (status, headers[ALLOW_ORIGIN]) == (403, None)
    assert server.request("GET", user_path("u"))[0] == 200
    assert server.send("u", Origin=EVIL) == 403


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "shop.example",
        "ftp://shop.example",
        "https://",
        "https://shop.example/path",
        "https://shop.example?x",
        "https://user@shop.example",
        "https://*.shop.example",
        "https://bücher.example",
        "http://[",
        "http://[::1",
        f"{SHOP} {APP}",
    ],
)
def test_an_option_that_is_not_an_origin_is_refused(text):
    """It would never match the origin of a request, and the user would not know why."""
    with pytest.raises(InvalidInput, match="is not an origin") as refused:
        Origins([text], Keys())
    assert refused.value.code == "invalid_cors_origin"


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("HTTPS://Shop.Example/", SHOP),
        ("https://shop.example:443", SHOP),
        ("http://shop.example:80", "http://shop.example"),
        ("http://shop.example:443", "http://shop.example:443"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
    ],
)
def test_an_origin_is_normalised_as_browsers_write_it(text, origin):
    """Browsers write it in lower case, without a final slash and without a default port."""
    assert Origins([text], Keys()).allowed(routes(1)[0].scope, origin) == origin


def test_the_command_refuses_an_invalid_origin(cli, db):
    """The exit code is 2, the error is one line, and no store is created."""
    done = cli("serve", "--cors-origin", "http://[")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().startswith("behavstats: 'http://[' is not an origin: use one such")
    assert done.stderr.count(b"\n") == 1
    assert not db.exists()


def test_an_asterisk_allows_any_origin_without_keys(tmp_path):
    """The Host must be this machine nevertheless."""
    with running(tmp_path, "--cors-origin", "*", keys={}) as server:
        for origin in (EVIL, "null"):
            status, headers, answer = server.request(
                "POST", SEND, page_view("u"), {"Origin": origin, "Content-Type": "text/plain"}
            )
            assert (status, headers[ALLOW_ORIGIN], answer) == (
                200,
                "*",
                {"success": True},
            )
        assert server.send("u", Host="evil.example", Origin=EVIL) == 403
        assert server.request("GET", user_path("u"), None, {"Origin": EVIL})[0] == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("route", OTHER_KINDS, ids=named)
def test_without_keys_pages_of_other_sites_cannot_embed_answers(keyless, route, site):
    """Requests for images and frames have no Origin, but would show whether a user exists."""
    assert keyless.ask(route, Sec_Fetch_Site=site)[0] == 403
    assert keyless.ask(route, Sec_Fetch_Site="none")[0] != 403

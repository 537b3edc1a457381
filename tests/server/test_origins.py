"""Web pages: which of them may send, what they may read of the answers, and what none reaches."""

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
LETS_READ = "Access-Control-Allow-Origin"
OF_SEGMENT = "authorization"
OF_SEGMENT_ON_A_RETRY = "authorization,x-retry-count"
OF_RUDDERSTACK = "anonymousid,authorization,content-type,sentat"


@pytest.fixture(scope="module")
def with_keys(tmp_path_factory):
    """A server with keys, and nothing said of origins."""
    with running(tmp_path_factory.mktemp("keys")) as server:
        yield server


@pytest.fixture(scope="module")
def with_origins(tmp_path_factory):
    """A server with keys, for pages of two origins."""
    options = ("--cors-origin", SHOP, "--cors-origin", APP)
    with running(tmp_path_factory.mktemp("origins"), *options) as server:
        yield server


@pytest.fixture(scope="module")
def keyless(tmp_path_factory):
    """A server without keys, and nothing said of origins."""
    with running(tmp_path_factory.mktemp("keyless"), keys={}) as server:
        yield server


@pytest.fixture(scope="module")
def keyless_for_the_app(tmp_path_factory):
    """A server without keys, for pages of one origin on this machine."""
    folder = tmp_path_factory.mktemp("app")
    with running(folder, "--cors-origin", APP, keys={}) as server:
        yield server


def preflight(server, route, origin=SHOP, asked=OF_SEGMENT, **headers):
    """Ask as a browser does before it sends; return status and headers."""
    asking = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": asked,
    }
    return server.request("OPTIONS", path_of(route), None, asking | headers)[:2]


@pytest.mark.parametrize("route", WRITING, ids=named)
@pytest.mark.parametrize("asked", [OF_SEGMENT, OF_SEGMENT_ON_A_RETRY, OF_RUDDERSTACK])
def test_a_preflight_says_that_a_page_may_send(with_keys, route, asked):
    """Without a key, as browsers ask; with keys, pages of any origin, and all that clients send."""
    status, headers = preflight(with_keys, route, asked=asked)
    assert (status, headers[LETS_READ]) == (204, "*")
    assert headers["Access-Control-Allow-Methods"] == "POST"
    assert headers["Access-Control-Allow-Headers"] == asked
    assert int(headers["Access-Control-Max-Age"]) > 0
    assert "Access-Control-Allow-Credentials" not in headers


@pytest.mark.parametrize("route", OTHER_KINDS, ids=named)
def test_only_sending_has_a_preflight(with_keys, route):
    """There is no preflight, so that no browser lets a page read or erase with a key."""
    status, headers = preflight(with_keys, route)
    assert (status, headers[LETS_READ]) == (405, None)


@pytest.mark.parametrize("asked", ["x" * 1_001, "a(b)", 'a"', "<script>", "é"])
def test_a_preflight_gives_back_no_more_than_names_of_headers(with_keys, asked):
    """What is none is not repeated."""
    status, headers = preflight(with_keys, WRITING[0], asked=asked)
    assert (status, headers["Access-Control-Allow-Headers"]) == (204, None)


@pytest.mark.parametrize("route", WRITING, ids=named)
def test_a_page_may_read_what_its_sending_came_to(with_keys, route):
    """The answer, and the headers that tell when to try again, and what to complain about."""
    status, headers, _ = with_keys.ask(route, Origin=SHOP, **bearer(WRITE_KEY))
    assert (status, headers[LETS_READ]) == (200, "*")
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
    """Else a client could not tell what to try again from what is for nothing."""
    headers = {"Origin": SHOP} | (bearer(key) if key else {})
    status, answered, answer = with_origins.request("POST", SEND, body, headers)
    assert (status, answered[LETS_READ], answered["Vary"]) == (expected, SHOP, "Origin")
    assert answer["success"] is False


def test_a_page_may_read_that_the_store_takes_nothing_now(tmp_path):
    """503, and when to try again."""
    with running(tmp_path) as server:
        for file in server.db.parent.glob("store.db*"):
            file.unlink()
        server.db.write_bytes(b"something else " * 1000)
        headers = {"Origin": SHOP} | bearer(WRITE_KEY)
        status, answered, _ = server.request("POST", SEND, page_view("u"), headers)
        assert (status, answered[LETS_READ], answered["Retry-After"]) == (503, "*", "1")
        assert "Retry-After" in answered["Access-Control-Expose-Headers"]


@pytest.mark.parametrize("route", routes(2), ids=named)
def test_no_page_of_another_origin_may_read_a_profile(with_keys, route):
    """Not even with a secret key: that has no place in a page."""
    with_keys.send("u", **bearer(WRITE_KEY))
    for origin in (SHOP, "null"):
        headers = with_keys.ask(route, Origin=origin, **bearer(SECRET_KEY))[1]
        assert not [name for name in headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize("route", WRITING, ids=named)
def test_origins_that_are_given_are_the_only_ones(with_origins, route):
    """Each of them may send and read; others are told nothing, and refused a preflight."""
    for origin, letting in ((SHOP, SHOP), (APP, APP), (EVIL, None), ("null", None)):
        status, headers = preflight(with_origins, route, origin)
        assert (status, headers[LETS_READ]) == (204 if letting else 403, letting)
        status, headers, _ = with_origins.ask(route, Origin=origin, **bearer(WRITE_KEY))
        assert (status, headers[LETS_READ]) == (200, letting), "with keys, these decide"


@pytest.mark.parametrize("origin", ["http://shop.example", SHOP + ":8443", SHOP + ".evil.example"])
def test_an_origin_that_only_looks_alike_is_another(with_origins, origin):
    """By its scheme, its port, or more after its host."""
    status, headers = preflight(with_origins, WRITING[0], origin)
    assert (status, headers[LETS_READ]) == (403, None)


def test_a_preflight_without_an_origin_is_no_preflight(with_keys):
    """Browsers always say it."""
    assert with_keys.request("OPTIONS", SEND)[0] == 403


@pytest.mark.parametrize("route", routes(), ids=named)
def test_without_keys_no_page_of_another_origin_gets_anything_done(keyless, route):
    """Be it by a "simple" request, for which browsers ask no leave, or from an origin unsaid."""
    for origin in (EVIL, "null", APP, f"http://127.0.0.1:{keyless.port + 1}", ""):
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/json"):
            user = "of-a-page"
            headers = {"Origin": origin, "Content-Type": kind}
            body = body_of(route, user)
            path = path_of(route, user)
            status, answered, answer = keyless.request(route.method, path, body, headers)
            assert (status, answered[LETS_READ]) == (403, None)
            assert answer["code"] == "forbidden"
    assert keyless.request("GET", user_path("of-a-page"))[0] == 404


@pytest.mark.parametrize("route", WRITING, ids=named)
def test_without_keys_no_page_gets_leave_to_send(keyless, route):
    """Unless its origin is given."""
    for origin in (EVIL, "null"):
        status, headers = preflight(keyless, route, origin)
        assert (status, headers[LETS_READ]) == (403, None)


@pytest.mark.parametrize("route", routes(), ids=named)
@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example"])
def test_a_name_that_was_led_to_this_machine_reaches_no_store_without_keys(keyless, route, host):
    """DNS rebinding: to the browser, such a page is of the same origin, and says so or nothing."""
    for headers in ({}, {"Origin": f"http://{host}"}):
        body = body_of(route, "rebound")
        asking = headers | {"Host": host}
        status = keyless.request(route.method, path_of(route), body, asking)[0]
        assert status == 403
    assert keyless.request("GET", user_path("rebound"))[0] == 404


def test_a_preflight_for_such_a_name_is_refused_too(keyless_for_the_app):
    """Also from an origin that may send."""
    host = {"Host": "evil.example"}
    assert preflight(keyless_for_the_app, WRITING[0], APP, **host)[0] == 403


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:80", "127.0.0.1:1", "127.9.9.9", "[::1]:8"]
)
def test_without_keys_this_machine_may_call_itself_what_it_likes(keyless, host):
    """By each name and address of its loopback, and any port: somebody may forward one."""
    assert keyless.send("local", Host=host) == 200


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "[::]", "10.0.0.1", "localhost.evil.example", "::1:x"]
)
def test_without_keys_other_hosts_are_not_this_machine(keyless, host):
    """Nor is what is no host."""
    assert keyless.send("local", Host=host) == 403


def test_without_keys_a_request_that_names_no_host_is_refused(keyless):
    """Only programs send such ones; and they can do better."""
    with socket.create_connection(("127.0.0.1", keyless.port), timeout=30) as connection:
        connection.sendall(b"GET /v1/user/u HTTP/1.0\r\n\r\n")
        answer = connection.makefile("rb").readline()
    assert answer.split()[1] == b"403"


def test_without_keys_the_servers_own_page_may_do_everything(keyless):
    """`/docs` tries things out from the same origin."""
    own = {"Origin": f"http://127.0.0.1:{keyless.port}"}
    assert keyless.send("own", **own) == 200
    assert keyless.request("GET", user_path("own"), None, own)[0] == 200
    assert keyless.request("DELETE", user_path("own"), None, own)[0] == 200


def test_without_keys_a_given_origin_may_send_and_do_nothing_else(keyless_for_the_app):
    """Its page may read what sending came to, but no profile; and it cannot erase."""
    server = keyless_for_the_app
    status, headers = preflight(server, WRITING[0], APP)
    assert (status, headers[LETS_READ]) == (204, APP)
    status, headers, _ = server.request("POST", SEND, page_view("u"), {"Origin": APP})
    assert (status, headers[LETS_READ]) == (200, APP)
    for method in ("GET", "DELETE"):
        status, headers, _ = server.request(method, user_path("u"), None, {"Origin": APP})
        assert (status, headers[LETS_READ]) == (403, None)
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
    """It would never match a request, and the user would not know why."""
    with pytest.raises(InvalidInput, match="is no origin") as refused:
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
def test_an_origin_is_known_as_browsers_write_it(text, origin):
    """In lower case, without a slash at its end, nor the port that everybody knows."""
    assert Origins([text], Keys()).allowed(routes(1)[0].scope, origin) == origin


def test_the_command_refuses_an_invalid_origin(cli, db):
    """The exit code is 2, the error is one line, and no store is created."""
    done = cli("serve", "--cors-origin", "http://[")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().startswith("behavstats: 'http://[' is no origin, such as https://")
    assert done.stderr.count(b"\n") == 1
    assert not db.exists()


def test_any_origin_may_be_allowed_without_keys_too(tmp_path):
    """By `*`. The Host must be this machine's nevertheless."""
    with running(tmp_path, "--cors-origin", "*", keys={}) as server:
        for origin in (EVIL, "null"):
            status, headers, answer = server.request(
                "POST", SEND, page_view("u"), {"Origin": origin, "Content-Type": "text/plain"}
            )
            assert (status, headers[LETS_READ], answer) == (
                200,
                "*",
                {"success": True},
            )
        assert server.send("u", Host="evil.example", Origin=EVIL) == 403
        assert server.request("GET", user_path("u"), None, {"Origin": EVIL})[0] == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("route", OTHER_KINDS, ids=named)
def test_without_keys_no_page_of_another_site_shows_anything_of_the_store(keyless, route, site):
    """Be it as an image or in a frame, which have no Origin: it would see whether it is there."""
    assert keyless.ask(route, Sec_Fetch_Site=site)[0] == 403
    assert keyless.ask(route, Sec_Fetch_Site="none")[0] != 403

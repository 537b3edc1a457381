"""Keys: what each kind of them opens, how they are given, and that nobody else sees them."""

import gzip
import json
from urllib.parse import quote, quote_plus

import pytest

from behavstats.errors import AccessDenied, NotAuthenticated
from behavstats.server import auth as access
from behavstats.server.auth import Keys, Scope, credential
from behavstats.server.handlers import Handlers
from tests.conftest import user_path
from tests.support.keyed import (
    SECRET_KEY,
    SEND,
    WAYS,
    WRITE_KEY,
    WRONG_KEY,
    basic,
    bearer,
    body_of,
    named,
    page_view,
    path_of,
    routes,
    running,
)

OPEN, SENDING, EVERYTHING = routes(0), routes(1), routes(2)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One server with keys for all tests here."""
    with running(tmp_path_factory.mktemp("access")) as server:
        yield server


def test_every_route_has_the_scope_that_is_listed_here():
    """Nothing: what tells of no user. To send, a write key will do. All the rest is secret."""
    assert [route.path for route in OPEN] == [
        "/healthz",
        "/readyz",
        "/openapi.json",
        "/docs",
        "/docs/{file}",
    ]
    assert [named(route) for route in EVERYTHING] == [
        "GET /v1/user/{user_id}",
        "DELETE /v1/user/{user_id}",
        "GET /metrics",
    ]
    assert all(route.method == "POST" for route in SENDING if route.takes)
    assert len(OPEN + SENDING + EVERYTHING) == len(routes())


@pytest.mark.parametrize("route", routes(), ids=named)
def test_each_route_is_open_to_the_keys_of_its_scope(server, route):
    """The answer is 401 without a known key, and 403 with a key of the wrong kind."""
    assert server.send("u", **bearer(SECRET_KEY)) == 200
    statuses = {}
    for name, headers in (
        ("none", {}),
        ("wrong", bearer(WRONG_KEY)),
        ("write", bearer(WRITE_KEY)),
        ("secret", bearer(SECRET_KEY)),
    ):
        status, answer_headers, answer = server.ask(route, **headers)
        statuses[name] = status
        assert ("WWW-Authenticate" in answer_headers) == (status == 401)
        if status == 401:
            assert answer["code"] == "unauthorized"
    assert (
        list(statuses.values())
        == {
            Scope.NOTHING: [200, 200, 200, 200],
            Scope.SENDING: [401, 401, 200, 200],
            Scope.EVERYTHING: [401, 401, 403, 200],
        }[route.scope]
    )


@pytest.mark.parametrize("route", routes(1, 2), ids=named)
def test_other_methods_of_a_path_need_the_same_key(server, route):
    """HEAD is answered like GET; other methods do not exist."""
    path, body = path_of(route), body_of(route)
    status = server.request("HEAD", path, None, bearer(WRITE_KEY))[0]
    assert status == {"GET": 403 if route in EVERYTHING else 200}.get(route.method, status)
    if route.method != "GET" and "{user_id}" not in path:
        assert server.request("HEAD", path)[0] in {401, 403, 405}
    for method in ("PUT", "PATCH", "TRACE", "PROPFIND"):
        assert server.request(method, path, body)[0] == 405


def test_without_keys_every_route_is_open_to_this_machine(tmp_path):
    """Whatever key a request shows."""
    with running(tmp_path, keys={}) as server:
        for route in routes():
            for headers in ({}, bearer(WRONG_KEY), basic("x")):
                assert server.send("u") == 200
                assert server.ask(route, **headers)[0] == 200, named(route)


@pytest.mark.parametrize("route", SENDING, ids=named)
def test_a_key_may_be_given_in_each_of_the_ways(server, route):
    """In the body where there is one, of a batch as of a single message."""
    for way, give in WAYS.items():
        answers = []
        for key in (WRITE_KEY, SECRET_KEY, WRONG_KEY):
            headers, query, more = give(key)
            path, body = path_of(route) + query, body_of(route, **more)
            answers.append(server.request(route.method, path, body, headers)[0])
        in_no_body = way == "body" and not route.takes
        assert answers == ([401, 401, 401] if in_no_body else [200, 200, 401]), way


@pytest.mark.parametrize("route", EVERYTHING, ids=named)
def test_a_secret_key_may_be_given_in_each_way_except_in_the_body(server, route):
    """The routes that read or erase do not read a body."""
    server.send("u", **bearer(SECRET_KEY))
    for way, give in WAYS.items():
        answers = []
        for key in (WRITE_KEY, WRONG_KEY, SECRET_KEY):
            headers, query, more = give(key)
            body = json.dumps(more).encode() if more else None
            path = path_of(route) + query
            answers.append(server.request(route.method, path, body, headers)[0])
            server.send("u", **bearer(SECRET_KEY))
        assert answers == ([401, 401, 401] if way == "body" else [403, 401, 200]), way


def test_unknown_parameters_are_ignored_when_sending(server):
    """Clients add parameters of their own. For a read or an erasure, they are an error."""
    for route in SENDING:
        path = f"{path_of(route)}?writeKey={WRITE_KEY}&utm_source=x&utm_source=y"
        assert server.request(route.method, path, body_of(route))[0] == 200
    for route in OPEN:
        status, _, answer = server.request(route.method, path_of(route) + "?x=1")
        assert (status, answer["code"]) == (400, "unknown_parameter")


def test_a_page_view_in_the_own_format_may_contain_the_key(server):
    """Beside its three values. A batch may contain it, too, and a compressed body."""
    ours = page_view("own", writeKey=WRITE_KEY)
    batch = json.dumps({"batch": [json.loads(page_view("own"))], "writeKey": WRITE_KEY}).encode()
    for path, body in ((SEND, ours), ("/v1/batch", batch)):
        assert server.request("POST", path, body)[0] == 200
        assert server.request("POST", path, gzip.compress(body))[0] == 200
    inner = json.dumps({"batch": [json.loads(ours)]}).encode()
    assert server.request("POST", "/v1/batch", inner)[0] == 401, (
        "a message's key is not its batch's"
    )


def test_the_first_key_that_is_given_counts(server):
    """In the order: `Authorization`, `X-Write-Key`, `?writeKey=`, the body; the rest is ignored."""
    places = [
        lambda key: {"headers": basic(key)},
        lambda key: {"headers": {"X-Write-Key": key}},
        lambda key: {"query": f"?writeKey={key}"},
        lambda key: {"body": {"writeKey": key}},
    ]
    for first in range(4):
        for key, later, status in ((WRITE_KEY, WRONG_KEY, 200), (WRONG_KEY, WRITE_KEY, 401)):
            given = [places[first](key), *(place(later) for place in places[first + 1 :])]
            headers, query, more = {}, "", {}
            for part in given:
                headers |= part.get("headers", {})
                query += part.get("query", "")
                more |= part.get("body", {})
            body = page_view("u", **more)
            assert server.request("POST", SEND + query, body, headers)[0] == status


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Basic"},
        {"Authorization": "Basic !"},
        {"Authorization": "Basic =="},
        {"Authorization": "Basic é"},
        {"Authorization": "Basic /////w=="},
        {"Authorization": f"Basic {WRITE_KEY}"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer \xff\xfe"},
        {"Authorization": WRITE_KEY},
        {"Authorization": f"Digest {WRITE_KEY}"},
        {"Authorization": f"Bearer {WRITE_KEY}, Bearer {WRITE_KEY}"},
        {"X-Write-Key": WRITE_KEY[:-1]},
        {"X-Write-Key": WRITE_KEY + "x"},
        {"X-Write-Key": WRITE_KEY.upper()},
        {"X-Write-Key": ""},
        {},
    ],
    ids=repr,
)
def test_a_malformed_key_is_401(server, headers):
    """Whatever stands in its place."""
    status, _, answer = server.request("POST", SEND, page_view("u"), headers)
    assert (status, answer["code"]) == (401, "unauthorized")


@pytest.mark.parametrize("key", [None, "", 7, True, [WRITE_KEY], {"a": WRITE_KEY}, "\udc00" * 16])
def test_a_malformed_key_in_a_body_is_401(server, key):
    """Whatever stands in its place."""
    body = page_view("u", writeKey=key)
    assert server.request("POST", SEND, body)[0] == 401
    assert server.request("POST", "/v1/batch", b'{"batch": [%s]}' % body)[0] == 401


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"\x1f\x8bx", b"[" * 100_000])
def test_a_request_without_a_key_is_401_whatever_its_body_is(server, body):
    """A compressed body is decompressed first, since it may contain the key."""
    status, _, answer = server.request("POST", SEND, body)
    expected = (400, "invalid_gzip") if body.startswith(b"\x1f") else (401, "unauthorized")
    assert (status, answer["code"]) == expected


def test_a_request_with_a_wrong_key_changes_nothing(server):
    """No page view is stored, no message is kept as rejected, and no user is erased."""
    assert server.send("kept", **bearer(WRITE_KEY)) == 200
    for headers in ({}, bearer(WRONG_KEY)):
        assert server.send("stranger", **headers) == 401
        assert server.request("POST", SEND, b'{"user_id": "stranger"}', headers)[0] == 401
        assert server.request("DELETE", user_path("kept"), None, headers)[0] == 401
    secret = bearer(SECRET_KEY)
    assert server.request("GET", user_path("stranger"), None, secret)[0] == 404
    assert server.request("DELETE", user_path("stranger"), None, secret)[0] == 404
    assert server.request("GET", user_path("kept"), None, secret)[0] == 200


def test_a_write_key_neither_reads_nor_erases_wherever_it_is_given(server):
    """The answer is 403, since the key is known. The user stays."""
    assert server.send("kept", **bearer(WRITE_KEY)) == 200
    for way in WAYS.values():
        headers, query, _ = way(WRITE_KEY)
        if headers or query:
            for method in ("GET", "HEAD", "DELETE"):
                path = user_path("kept") + query
                assert server.request(method, path, None, headers)[0] == 403
            assert server.request("GET", "/metrics" + query, None, headers)[0] == 403
    assert server.request("GET", user_path("kept"), None, bearer(SECRET_KEY))[0] == 200


def test_the_settings_of_a_project_are_for_those_who_know_its_key(server):
    """In the path, as Segment's client asks; the answer has no other key than that."""
    path = "/v1/projects/{}/settings"
    status, _, answer = server.request("GET", path.format(WRITE_KEY))
    assert status == 200
    assert answer["integrations"]["Segment.io"]["apiKey"] == WRITE_KEY
    assert SECRET_KEY not in json.dumps(answer)
    assert server.request("GET", path.format(WRONG_KEY))[0] == 401


def test_no_key_is_in_any_line_of_the_log_nor_in_an_error(tmp_path):
    """Wherever the key was given, whether it is known or not, and whatever the answer was."""
    given = (WRITE_KEY, SECRET_KEY, WRONG_KEY)
    with running(tmp_path) as server:
        for route in {route.summary: route for route in routes()}.values():
            for key in given:
                for way in WAYS.values():
                    headers, query, more = way(key)
                    path = path_of(route) + query
                    body = body_of(route, **more)
                    answer = server.request(route.method, path, body, headers)[2]
                    assert not any(known in str(answer) for known in given if known != key) or (
                        route.handler is Handlers.get_project
                    )
                    if isinstance(answer, dict) and not answer.get("success", True):
                        assert not any(known in str(answer) for known in given)
        for key in given:
            server.request("GET", f"/v1/projects/{key}/settings")
            server.request("PUT", f"/{key}?writeKey={key}", b"", bearer(key))
        server.stop()
        assert server.log.count("\n") > 100
        assert not any(key in server.log for key in given)


def test_a_key_is_compared_with_every_known_key_in_constant_time(monkeypatch):
    """Even after a match: the time tells neither which key matched, nor how much of it is right."""
    compared = []
    compare = access.compare_digest
    monkeypatch.setattr(
        access, "compare_digest", lambda *two: compared.append(two) or compare(*two)
    )
    write, secret = (
        [f"write-key-number-{n}" for n in range(3)],
        [f"secret-key-no-{n}-" for n in "ab"],
    )
    keys = Keys(write, secret)
    for key in (*write, *secret, WRONG_KEY, "", "x" * 100_000):
        compared.clear()
        if key in write + secret:
            keys.check(Scope.SENDING, key)
        else:
            with pytest.raises(NotAuthenticated):
                keys.check(Scope.SENDING, key)
        assert len(compared) == 5
        assert {len(digest) for two in compared for digest in two} == {32}


def test_an_error_says_what_is_wrong_with_a_key():
    """There are three errors: no key, an unknown key, and a key of the wrong kind."""
    keys = Keys([WRITE_KEY], [SECRET_KEY])
    with pytest.raises(NotAuthenticated, match="a key is needed"):
        keys.check(Scope.SENDING, None)
    with pytest.raises(NotAuthenticated, match="not known"):
        keys.check(Scope.EVERYTHING, WRONG_KEY)
    with pytest.raises(AccessDenied, match="secret key") as denied:
        keys.check(Scope.EVERYTHING, WRITE_KEY)
    assert not isinstance(denied.value, NotAuthenticated)
    keys.check(Scope.NOTHING, None)


ODD_KEYS = ["schlüssel-über-alles", "ключ-от-всех-дверей", "鍵" * 16, "a/b+c==:d:e, and so on"]


@pytest.mark.parametrize("key", ODD_KEYS)
def test_a_key_may_be_of_any_characters(key):
    """Headers have bytes: those of UTF-8 are what clients send."""
    shown = key.encode().decode("latin-1")  # as a request has it
    for headers in (
        {"authorization": f"Bearer {shown}"},
        {"authorization": basic(key)["Authorization"]},
        {"x-write-key": shown},
    ):
        assert credential(headers, {}) == key


def test_a_key_with_a_slash_can_be_in_the_path_of_a_project(tmp_path):
    """Percent-encoded in the path, as a browser has it."""
    key = "aaaaaaaa/bbbbbbbb+2=="
    with running(tmp_path, keys={"BEHAVSTATS_WRITE_KEYS": key}) as server:
        status, _, project = server.request("GET", f"/v1/projects/{quote(key, safe='')}/settings")
    assert status == 200
    assert project["integrations"]["Segment.io"]["apiKey"] == key


@pytest.mark.parametrize("key", ["ab+cd/efghijklmnop==", "correct horse battery staple"])
def test_a_plus_sign_and_a_blank_are_the_same_in_a_key(tmp_path, key):
    """In a query, some clients encode neither, and some the one as the other."""
    with running(tmp_path, "--write-key", key, keys={}) as server:
        for shown in (key.replace(" ", "+"), quote(key), quote_plus(key)):
            assert server.request("POST", f"{SEND}?writeKey={shown}", page_view("u"))[0] == 200

"""The HTTP interface, on a real server."""

import http.client
import json
import re

import pytest

from behavstats.clock import system_clock
from behavstats.model.timestamps import format_instant
from tests.conftest import user_path
from tests.support.in_process import application, ask

MIB = 1024 * 1024


def ago(milliseconds):
    return format_instant(system_clock() - milliseconds)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One server for all tests here, each with users of its own; somebody else has seen the `/`."""
    from tests.conftest import ServerProcess

    server = ServerProcess(tmp_path_factory.mktemp("api") / "store.db")
    assert server.post("somebody else", "/", ago(0)) == 200
    yield server
    server.stop()


def test_a_posted_page_view_is_in_the_next_answer(server):
    """Exactly the five keys, in order."""
    assert server.request("POST", "/v1/page", event("ada", "/", ago(60_000)))[::2] == (
        200,
        {"success": True},
    )
    assert server.post("ada", "/pricing", ago(0)) == 200
    status, body = server.get("ada")
    assert status == 200
    assert list(body.items()) == [
        ("user_id", "ada"),
        ("number_pages_viewed_in_the_last_7_days", 2),
        ("time_spent_on_site_in_last_7_days", 1),
        ("number_of_days_active_in_last_7_days", body["number_of_days_active_in_last_7_days"]),
        ("most_viewed_page_in_last_7_days", "/pricing"),
    ]


def event(user_id, name, timestamp):
    return json.dumps({"user_id": user_id, "name": name, "timestamp": timestamp}).encode()


def test_a_repeated_page_view_is_acknowledged_and_changes_nothing(server):
    """A client that did not receive the answer can simply post again."""
    timestamp = ago(0)
    assert [server.post("repeat", "/", timestamp) for _ in range(3)] == [200] * 3
    assert server.get("repeat")[1]["number_pages_viewed_in_the_last_7_days"] == 1


@pytest.mark.parametrize(
    "user_id",
    [
        "a/b",
        "/lead",
        "trail/",
        "//",
        "a b",
        " ",
        "100%",
        "%2F",
        ".",
        "..",
        "../../x",
        "a?b#c",
        "a+b",
        "a;b=c",
        "é",
        "☕😀",
        "a\nb\r\tc",
        "\x7f",
        '"\\',
        "x" * 512,
        "é" * 256,
        "😀" * 128,
    ],
)
def test_a_user_id_in_a_path_may_be_anything_that_can_be_posted(server, user_id):
    """Posted, read, erased, and unknown then."""
    assert server.post(user_id, "/", ago(0)) == 200
    status, body = server.get(user_id)
    assert (status, body["user_id"]) == (200, user_id)
    assert body["number_pages_viewed_in_the_last_7_days"] == 1
    assert server.request("DELETE", user_path(user_id))[::2] == (
        200,
        {
            "success": True,
            "user_id": user_id,
            "page_views": 1,
            "page_names": 0,
            "rejected_lines": 0,
        },
    )
    assert server.get(user_id)[0] == 404


def test_the_window_follows_days_and_as_of(server):
    """In the keys as well; an offset's plus sign may be forgotten to be encoded."""
    for timestamp in ("2026-11-01T12:00:00Z", "2026-11-03T12:00:00Z"):
        server.post("window", "/", timestamp)

    def views(query):
        _, body = server.get("window", query)
        return list(body.items())[1]

    seven, two = (f"number_pages_viewed_in_the_last_{days}_days" for days in (7, 2))
    assert views("?as_of=2026-11-03T12:00:00Z") == (seven, 2)
    assert views("?as_of=2026-11-03T12:00:00Z&days=2") == (two, 1)
    assert views("?as_of=2026-11-03T11:59:59.999Z&days=2") == (two, 1)
    assert views("?as_of=2026-11-03T13:00:00%2B01:00&days=2") == (two, 1)
    assert views("?as_of=2026-11-03T13:00:00+01:00") == (seven, 2)
    assert views("?as_of=1980-01-01T00:00:00Z") == (seven, 0)
    assert views("?as_of=9999-12-31T23:59:59.999Z") == (seven, 0)


def test_detail_adds_the_rest_of_the_profile(server):
    """The window's ends, seconds, visits, days, top pages, first and last view."""
    for timestamp, name in (
        ("2026-11-02T10:00:00.500Z", "/"),
        ("2026-11-02T10:01:30Z", "/a"),
        ("2026-11-03T10:00:00Z", "/a"),
    ):
        server.post("detail", name, timestamp)
    _, body = server.get("detail", "?detail=true&days=2&as_of=2026-11-03T12:00:00Z")
    assert dict(list(body.items())[5:]) == {
        "window": {"after": "2026-11-01T12:00:00.000Z", "until": "2026-11-03T12:00:00.000Z"},
        "seconds_on_site": 89.5,
        "visits": 2,
        "days": [
            {"date": "2026-11-01", "views": 0},
            {"date": "2026-11-02", "views": 2},
            {"date": "2026-11-03", "views": 1},
        ],
        "top_pages": [
            {"name": "/a", "views": 2, "last_viewed": "2026-11-03T10:00:00.000Z"},
            {"name": "/", "views": 1, "last_viewed": "2026-11-02T10:00:00.500Z"},
        ],
        "first_view": "2026-11-02T10:00:00.500Z",
        "last_view": "2026-11-03T10:00:00.000Z",
    }
    assert len(server.get("detail", "?detail=false")[1]) == 5


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code", "field"),
    [
        ("POST", "/v1/page", b"{", 400, "invalid_json", None),
        ("POST", "/v1/page", b"", 400, "invalid_json", None),
        ("POST", "/v1/page", b"\xff", 400, "invalid_utf8", None),
        ("POST", "/v1/page", b"[" * 100_000, 400, "not_an_object", None),
        ("POST", "/v1/page", b'{"x":' + b"[" * 100_000, 400, "too_deep", None),
        ("POST", "/v1/page", b"[]", 400, "not_an_object", None),
        ("POST", "/v1/page", b"{}", 400, "missing_key", "user_id"),
        ("POST", "/v1/page", event(7, "/", ""), 400, "wrong_type", "user_id"),
        (
            "POST",
            "/v1/page",
            event("", "/", "2026-11-01T00:00:00Z"),
            400,
            "invalid_user_id",
            "user_id",
        ),
        ("POST", "/v1/page", event("u", "", "2026-11-01T00:00:00Z"), 400, "invalid_name", "name"),
        ("POST", "/v1/page", event("u", "/", "now"), 400, "invalid_timestamp", "timestamp"),
        ("POST", "/v1/page", b" " * 4 * MIB + b" ", 413, "body_too_large", None),
        ("POST", "/v1/page", b" " * 9 * MIB, 413, "body_too_large", None),
        ("GET", "/v1/user/", None, 400, "invalid_user_id", "user_id"),
        ("GET", "/v1/user/" + "x" * 513, None, 400, "invalid_user_id", "user_id"),
        ("GET", "/v1/user/a%00b", None, 400, "invalid_user_id", "user_id"),
        ("GET", "/v1/user/a%FFb", None, 400, "invalid_user_id", "user_id"),
        ("DELETE", "/v1/user/a%FFb", None, 400, "invalid_user_id", "user_id"),
        ("GET", "/v1/user/u?days=0", None, 400, "invalid_days", "days"),
        ("GET", "/v1/user/u?days=91", None, 400, "invalid_days", "days"),
        ("GET", "/v1/user/u?days=1000", None, 400, "invalid_days", "days"),
        ("GET", "/v1/user/u?as-of=now", None, 400, "unknown_parameter", "as-of"),
        ("GET", "/v1/user/u?detail=true&detail=false", None, 400, "repeated_parameter", "detail"),
        ("DELETE", "/v1/user/u?days=7", None, 400, "unknown_parameter", "days"),
        ("GET", "/metrics?x", None, 400, "unknown_parameter", "x"),
        ("GET", "/v1/user/u?days=1.5", None, 400, "invalid_days", "days"),
        ("GET", "/v1/user/u?days=", None, 400, "invalid_days", "days"),
        ("GET", "/v1/user/u?days=-7", None, 400, "invalid_days", "days"),
        ("GET", "/v1/user/u?days=%D9%A7", None, 400, "invalid_days", "days"),
        ("GET", "/v1/user/u?as_of=now", None, 400, "invalid_as_of", "as_of"),
        ("GET", "/v1/user/u?as_of=%FF", None, 400, "invalid_as_of", "as_of"),
        ("GET", "/v1/user/u?as_of=2026-11-01T00:00:00", None, 400, "invalid_as_of", "as_of"),
        ("GET", "/v1/user/u?detail=yes", None, 400, "invalid_detail", "detail"),
        ("GET", "/v1/user/nobody", None, 404, "unknown_user", None),
        ("DELETE", "/v1/user/nobody", None, 404, "unknown_user", None),
        ("GET", "/v1/user", None, 404, "not_found", None),
        ("GET", "/%FF", None, 404, "not_found", None),
        ("GET", "/v1/page", None, 405, "method_not_allowed", None),
        ("PUT", "/v1/user/u", b"", 405, "method_not_allowed", None),
        ("POST", "/healthz", b"", 405, "method_not_allowed", None),
    ],
)
def test_every_error_is_json_with_a_code_and_a_message(
    server, method, path, body, status, code, field
):
    """And names the field where there is one."""
    answered, headers, answer = server.request(method, path, body)
    assert (answered, headers["Content-Type"]) == (status, "application/json")
    assert (answer["success"], answer["code"], answer.get("field")) == (False, code, field)
    assert re.fullmatch(r"[^\n]+", answer["message"])
    if status == 405:
        assert headers["Allow"]


def test_the_root_redirects_to_the_documentation(server):
    """By a relative address, which is right behind the prefix of a proxy as well."""
    status, headers, _ = server.request("GET", "/")
    assert (status, headers["Location"]) == (303, "docs")


def test_a_message_may_be_as_long_as_a_body(server):
    """Other keys are ignored, however long."""
    body = event("long", "/", ago(0))[:-1] + b', "more": "'
    body += b"x" * (4 * MIB - len(body) - 2) + b'"}'
    assert len(body) == 4 * MIB
    assert server.request("POST", "/v1/page", body)[0] == 200
    status, _, answer = server.request("POST", "/v1/page", body + b" ")
    assert (status, answer["code"]) == (413, "body_too_large")


def test_one_connection_carries_many_requests_even_after_errors(server):
    """Each answer belongs to its request."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    bodies = [event("kept", "/", ago(0)), b"{", event("kept", "/2", ago(0)), b" " * (4 * MIB + 1)]
    statuses = []
    for body in bodies:
        connection.request("POST", "/v1/page", body)
        answer = connection.getresponse()
        statuses.append((answer.status, json.loads(answer.read())["success"]))
    connection.close()
    assert statuses == [(200, True), (400, False), (200, True), (413, False)]


def test_a_body_may_come_in_chunks_and_without_a_length(server):
    """Transfer-Encoding: chunked, with the same limit."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    body = event("chunked", "/", ago(0))
    for chunks, status in (((body[:9], body[9:]), 200), ((b" " * 4 * MIB, b" "), 413)):
        connection.request("POST", "/v1/page", iter(chunks), encode_chunked=True)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status
    connection.close()


def call(app, method, path):
    """Send a request to the application; return status, headers and parsed content."""
    answer = ask(app, method, path.encode())
    return answer.status, answer.headers, json.loads(answer.content)


def test_an_unexpected_error_is_logged_and_the_answer_does_not_show_it(store, caplog):
    """The answer is 500, and only the log has the reason."""

    def broken_clock():
        raise RuntimeError("a secret of the inside")

    status, _, body = call(application(store, clock=broken_clock), "GET", "/v1/user/u")
    assert (status, body) == (
        500,
        {"success": False, "code": "internal_error", "message": "internal error"},
    )
    assert "a secret of the inside" in caplog.text


def test_health_is_an_error_if_the_store_cannot_be_read(store, db, caplog):
    """The answer is 503 with Retry-After, and a warning is logged."""
    app = application(store)
    assert call(app, "GET", "/healthz")[::2] == (200, {"success": True})
    store.close()
    db.unlink()
    status, headers, body = call(app, "GET", "/healthz")
    assert (status, headers[b"retry-after"]) == (503, b"1")
    assert (body["success"], body["code"]) == (False, "store_unavailable")
    assert "cannot take a request" in caplog.text


def test_a_server_whose_store_file_was_replaced_answers_503(serve, db):
    """The file that replaced the store is not touched."""
    server = serve()
    assert server.request("GET", "/healthz")[::2] == (200, {"success": True})
    for file in db.parent.glob("store.db*"):
        file.rename(file.with_name("away-" + file.name))
    db.write_bytes(b"something else " * 1000)
    status, headers, body = server.request("DELETE", user_path("u"))
    assert (status, headers["Retry-After"], body["code"]) == (503, "1", "store_unavailable")
    assert "was replaced while it was in use" in body["message"]
    assert db.read_bytes() == b"something else " * 1000

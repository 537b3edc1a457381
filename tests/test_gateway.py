"""The gateway between the server's event loop and the Bottle application."""

import asyncio
import threading

import bottle
import pytest

from behavstats.errors import StoreBusy
from behavstats.gateway import DURABLE, FAILED, Gateway

MOST = 100


def ask(app, method="GET", path=b"/", body=(b"",), query=b"", headers=(), ends=True):
    """Send one request through a gateway; return status, headers and body of an answer."""
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path.decode("latin-1"),
        "raw_path": path,
        "query_string": query,
        "headers": list(headers),
        "server": ("127.0.0.1", "8000"),
    }
    parts, sent = list(body), []

    async def receive():
        if not parts:
            return {"type": "http.disconnect"}
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts) or not ends}

    async def send(message):
        sent.append(message)

    asyncio.run(Gateway(app, MOST)(scope, receive, send))
    if not sent:
        return None
    start, content = sent
    return start["status"], dict(start["headers"]), content["body"]


@pytest.fixture
def app():
    """An application that says what it was asked."""
    app = bottle.Bottle()

    @app.route("/<path:re:(?s:.*)>", method=["GET", "POST", "DELETE"])
    def echo(path):
        environ = bottle.request.environ
        body = environ["wsgi.input"].read()
        bottle.response.set_header("X-Thread", threading.current_thread().name)
        return repr((path, environ["QUERY_STRING"], len(body), environ.get("HTTP_X_THING")))

    return app


def test_a_request_comes_through_as_it_was_sent(app):
    """Path, query, header and body, whatever bytes they are."""
    status, _, body = ask(
        app, "POST", b"/a%2Fb%C3%A9", [b"12", b"345"], b"x=%FF&y", [(b"x-thing", b"\xe9")]
    )
    assert (status, body) == (200, "('a/bé', 'x=%FF&y', 5, 'é')".encode())


@pytest.mark.parametrize("body", [[b"x" * 60] * 40, [b"x" * 99, b"", b"xx"]])
def test_of_a_long_body_only_so_much_is_held_that_it_is_seen_to_be_long(app, body):
    """However it comes; all of it is read, so that the client hears the answer."""
    assert b", 101, " in ask(app, "POST", body=body)[2]


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize("body", [[], [b'{"user_id": ']])
def test_a_request_that_was_not_sent_to_its_end_is_no_request(app, method, body):
    """What came of it may look whole."""
    asked = []
    app.add_hook("before_request", lambda: asked.append(True))
    assert ask(app, method, body=body, ends=False) is None
    assert asked == []


def test_a_request_is_answered_in_the_thread_of_the_loop_but_for_one_that_takes_long(app):
    """Erasing takes a while, in which others are answered."""
    assert ask(app)[1][b"x-thread"] == b"MainThread"
    assert ask(app, "DELETE")[1][b"x-thread"] != b"MainThread"


def test_an_answer_waits_until_it_is_true():
    """The future that the application leaves is done when the answer is sent."""
    app = bottle.Bottle()
    done = []

    @app.post("/")
    def post():
        loop = asyncio.get_running_loop()
        durable = bottle.request.environ[DURABLE] = loop.create_future()
        loop.call_later(0.05, lambda: (done.append(True), durable.set_result(None)))
        return "stored"

    assert ask(app, "POST")[2] == b"stored"
    assert done == [True]


def test_what_fails_after_all_is_answered_by_the_application():
    """It is asked again, with the error at hand and the same body."""
    app = bottle.Bottle()

    @app.post("/")
    def post():
        environ = bottle.request.environ
        if FAILED in environ:
            bottle.response.status = 503
            return f"{environ[FAILED]}: {environ['wsgi.input'].read().decode()}"
        durable = environ[DURABLE] = asyncio.get_running_loop().create_future()
        durable.set_exception(StoreBusy("busy"))
        return "stored"

    assert ask(app, "POST", body=[b"body"])[::2] == (503, b"busy: body")

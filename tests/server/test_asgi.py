"""The gateway between the server's event loop and the Bottle application."""

import asyncio
import threading
from collections import Counter

import bottle
import pytest

from behavstats.errors import Overloaded, StoreBusy
from behavstats.model.page_view import PageView
from behavstats.server import asgi
from behavstats.server.asgi import FAILED, INTAKE, AsgiAdapter
from behavstats.server.payload import Payload


class Notes:
    """What a gateway told."""

    def __init__(self):
        self.payloads, self.answers = [], []
        self.took_in, self.answered = self.payloads.append, self.answers.append


async def stored(_intake):
    """What was sent is durable at once."""


def scope(method="POST", path=b"/", query=b"", headers=()):
    """A request as the server hands it over."""
    announced = [(b"transfer-encoding", b"chunked")] if method != "GET" else []
    return {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path.decode("latin-1"),
        "raw_path": path,
        "query_string": query,
        "headers": [*headers, *announced],
        "server": ("127.0.0.1", "8000"),
    }


def ask(app, method="GET", path=b"/", body=(b"",), query=b"", headers=(), ends=True, **settings):
    """Send one request through a gateway; return status, headers and body of an answer."""
    parts, sent = list(body), []

    async def receive():
        if not parts:
            return {"type": "http.disconnect"}
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts) or not ends}

    async def send(message):
        sent.append(message)

    def is_slow(method, _path):
        return method == "DELETE"

    notes, add = settings.get("notes") or Notes(), settings.get("add") or stored
    asked = scope(method, path, query, headers)
    asyncio.run(AsgiAdapter(app, add, is_slow, notes)(asked, receive, send))
    if not sent:
        return None
    start, content = sent
    return start["status"], dict(start["headers"]), content["body"]


@pytest.fixture
def app():
    """An application that says what it was asked."""
    app = bottle.Bottle()

    @app.route("/<path:re:(?s:.*)>", method=["GET", "POST", "DELETE"], name="echo")
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
def test_of_a_long_body_only_so_much_is_held_that_it_is_seen_to_be_long(app, body, monkeypatch):
    """However it comes; all of it is read, so that the client hears the answer."""
    monkeypatch.setattr(asgi, "MAX_BODY_BYTES", 100)
    assert b", 101, " in ask(app, "POST", body=body)[2]


def test_a_request_is_answered_in_the_thread_of_the_loop_but_for_one_that_takes_long(app):
    """Erasing takes a while, in which others are answered."""
    assert ask(app)[1][b"x-thread"] == b"MainThread"
    assert ask(app, "DELETE")[1][b"x-thread"] != b"MainThread"


@pytest.mark.parametrize("body", [b"x" * 300_000, b"\x1f\x8b" + b"x" * 5_000])
def test_a_body_that_is_large_or_may_become_so_is_looked_at_beside_the_loop(app, body):
    """Others are answered meanwhile."""
    assert ask(app, "POST", body=[body])[1][b"x-thread"] != b"MainThread"


INTAKE_OF_ALL = Payload([PageView("u", 0, "/")], [], Counter(track=2))


@pytest.fixture
def storing():
    """An application that has something to be stored, and says what failed."""
    app = bottle.Bottle()

    @app.post("/")
    def post():
        environ = bottle.request.environ
        if FAILED in environ:
            bottle.response.status = 503
            return f"{environ[FAILED]}"
        environ[INTAKE] = INTAKE_OF_ALL
        return "stored"

    return app


def test_an_answer_waits_until_it_is_true(storing):
    """What the application leaves is durable when the answer is sent; and that is told."""
    done = []

    async def add(payload):
        assert payload is INTAKE_OF_ALL
        await asyncio.sleep(0.05)
        done.append(True)

    notes = Notes()
    assert ask(storing, "POST", add=add, notes=notes)[2] == b"stored"
    assert done == [True]
    assert notes.payloads == [INTAKE_OF_ALL]


def test_what_is_only_counted_waits_for_nothing(storing, monkeypatch):
    """Nothing of it is to be durable."""
    counted = Payload([], [], Counter(track=2))
    monkeypatch.setattr("tests.server.test_asgi.INTAKE_OF_ALL", counted)
    notes = Notes()
    assert ask(storing, "POST", add=None, notes=notes)[2] == b"stored"
    assert notes.payloads == [counted]


@pytest.mark.parametrize("at_once", [True, False])
def test_what_fails_after_all_is_answered_by_the_application(storing, at_once):
    """It is asked again, with the error at hand; and nothing is told to be stored."""

    def refuse(_intake):
        raise Overloaded("too much")

    async def fail(_intake):
        raise StoreBusy("busy")

    notes = Notes()
    answer = ask(storing, "POST", add=refuse if at_once else fail, notes=notes)
    assert answer[::2] == (503, b"too much" if at_once else b"busy")
    assert notes.payloads == []


@pytest.mark.parametrize("body", [[], [b'{"user_id": ']])
def test_a_request_that_was_not_sent_to_its_end_is_no_request(storing, body):
    """What came of it may look whole; who has closed one way only is told."""
    notes = Notes()
    answer = ask(storing, "POST", body=body, ends=False, notes=notes)
    assert answer[2] == b"the request was not sent to its end"
    assert notes.payloads == []


def test_each_answer_has_a_number_of_its_own_that_is_told_with_the_route(app):
    """For the log; it comes from here, whatever the client sends."""
    notes = Notes()
    sent = [(b"x-request-id", b"mine")]
    ids = [ask(app, headers=sent, notes=notes)[1][b"x-request-id"].decode() for _ in range(2)]
    assert [answer.request_id for answer in notes.answers] == ids
    assert len({*ids, "mine"}) == 3
    assert {answer[1:4] for answer in notes.answers} == {("GET", "echo", 200)}
    assert ask(bottle.Bottle(), "DELETE", b"/users/anna", notes=notes)[0] == 404
    assert notes.answers[-1][1:4] == ("other", "none", 404)


def test_a_client_that_does_not_send_its_body_in_time_is_told(storing, monkeypatch):
    """And nothing of what it sent is held."""
    monkeypatch.setattr(asgi, "_SECONDS_TO_SEND", 0.05)

    async def send_slowly():
        served = AsgiAdapter(storing, stored, lambda *_: False, Notes())
        sent = []

        async def receive():
            await asyncio.sleep(0.03)
            return {"type": "http.request", "body": b"x", "more_body": True}

        async def send(message):
            sent.append(message)

        await served(scope(), receive, send)
        assert (served._held, served._requests) == (0, 0)
        return sent[0]["status"], sent[1]["body"]

    assert asyncio.run(send_slowly()) == (503, b"the request was not sent to its end within 0.05 s")


@pytest.mark.parametrize("limit", [("_MOST_REQUESTS", 3), ("_MOST_HELD", 350)])
def test_requests_over_the_limits_are_refused_and_all_that_was_held_is_let_go(
    storing, monkeypatch, limit
):
    """Three bodies of a hundred bytes fit; the fourth and fifth wait for nothing."""
    monkeypatch.setattr(asgi, *limit)
    monkeypatch.setattr(asgi, "_SMALL", 0)

    async def send_five():
        served = AsgiAdapter(storing, stored, lambda *_: False, Notes())
        statuses, may_end, waiting = [], asyncio.Event(), asyncio.Semaphore(0)

        async def one():
            parts = [b"x" * 100, b""]

            async def receive():
                if len(parts) == 1:
                    waiting.release()
                    await may_end.wait()
                return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

            async def send(message):
                statuses.append(message.get("status"))

            await served(scope(), receive, send)

        running = [asyncio.create_task(one()) for _ in range(5)]
        for _ in running:
            await asyncio.wait_for(waiting.acquire(), 60)
        assert served._held == 300
        may_end.set()
        await asyncio.gather(*running)
        assert (served._held, served._requests) == (0, 0)
        return sorted(filter(None, statuses))

    assert asyncio.run(send_five()) == [200, 200, 200, 503, 503]

"""The ASGI adapter between the server's event loop and the application."""

import asyncio
import json
import threading
from collections import Counter

import pytest

from behavstats.errors import InvalidInput, Overloaded, StoreBusy
from behavstats.model.page_view import PageView
from behavstats.server import body_reader, request_slots
from behavstats.server.payload import Payload
from behavstats.server.request import Pending, Response
from behavstats.server.routes import Route
from tests.support.in_process import Recorder, adapter, answer_to, application_of, ask, scope


def echo(_, request):
    """Answer with what was asked."""
    asked = (request.parameters, request.query.values, len(request.body))
    text = repr((*asked, request.headers.get("x-thing")))
    return Response(text.encode(), "text/plain", headers={"X-Thread": thread_name()})


def thread_name():
    return threading.current_thread().name


@pytest.fixture
def app():
    """An application that answers with what it was asked."""
    path = "/{user_id}"
    return application_of(
        Route("GET", path, echo, "", is_public=True),
        Route("POST", path, echo, "", is_public=True, takes=(bytes,)),
        Route("DELETE", path, echo, "", is_public=True, is_slow=True),
    )


def test_a_request_reaches_the_handler_as_it_was_sent(app):
    """Path, query, header and body, whatever bytes they are."""
    answer = ask(
        app, "POST", b"/a%2Fb%C3%A9", [b"12", b"345"], b"x=%C3%A9&y", [(b"x-thing", b"\xe9")]
    )
    assert answer.status == 200
    text = "({'user_id': 'a/bé'}, {'x': 'é', 'y': ''}, 5, 'é')"
    assert answer.content.decode() == text


def test_bytes_of_a_path_that_are_not_utf_8_are_kept(app):
    """They become lone surrogates, so the path cannot be taken for that of another user."""
    assert ask(app, "GET", b"/a%FFb").content.startswith(b"({'user_id': 'a\\udcffb'}")


@pytest.mark.parametrize("body", [[b"x" * 60] * 40, [b"x" * 99, b"", b"xx"]])
def test_a_body_over_the_limit_is_refused_and_only_one_byte_beyond_it_is_held(
    app, body, monkeypatch
):
    """Whatever its parts are; the client may send the rest of it and still reads the answer."""
    monkeypatch.setattr(body_reader, "MAX_BODY_BYTES", 100)
    held = []

    async def send_it():
        served = adapter(app)
        count = served._bodies._count
        served._bodies._count = lambda *sizes: (count(*sizes), held.append(served._bodies.held))
        return await answer_to(served, scope(path=b"/u"), body)

    answer = asyncio.run(send_it())
    assert answer.status == 413
    assert max(held) == 101
    assert held[-1] == 0


@pytest.mark.parametrize("size", [99, 100])
def test_a_body_in_tiny_parts_arrives_whole(app, size, monkeypatch):
    """Up to the limit."""
    monkeypatch.setattr(body_reader, "MAX_BODY_BYTES", 100)
    assert f", {size}, ".encode() in ask(app, "POST", b"/u", [b"x"] * size).content


def test_a_request_is_handled_in_the_thread_of_the_loop_unless_its_route_is_slow(app):
    """Erasing takes a while, in which other requests are answered."""
    assert ask(app, path=b"/u").headers[b"x-thread"] == b"MainThread"
    assert ask(app, "DELETE", b"/u").headers[b"x-thread"] != b"MainThread"


@pytest.mark.parametrize("body", [b"x" * 300_000, b"\x1f\x8b" + b"x" * 5_000])
def test_a_large_body_is_handled_in_a_thread(app, body):
    """A compressed one as well, which may become large; other requests are answered meanwhile."""
    assert ask(app, "POST", b"/u", body=[body]).headers[b"x-thread"] != b"MainThread"


def test_head_is_answered_like_get_without_the_content(app):
    """With the same length."""
    get, head = ask(app, path=b"/u"), ask(app, "HEAD", b"/u")
    assert head.content == b""
    assert head.headers[b"content-length"] == get.headers[b"content-length"]


VIEWS = Payload([PageView("u", 0, "/")], [], Counter(track=2))
COUNTED = Payload([], [], Counter(track=2))


def pending(payload, response):
    """An application that has a payload to be committed before a response holds."""

    def post(_, _request):
        return Pending(payload, response)

    return application_of(Route("POST", "/", post, "", is_public=True, takes=(bytes,)))


@pytest.mark.parametrize(
    ("response", "status"),
    [(Response({"stored": True}), 200), (InvalidInput("code", "no message is valid"), 400)],
)
def test_an_answer_waits_for_the_commit_of_its_payload(response, status):
    """Also an error: the rejected messages are durable when the client reads of them."""
    committed = []

    async def commit(payload):
        await asyncio.sleep(0)
        committed.append(payload)

    observer = Recorder()
    answer = ask(pending(VIEWS, response), "POST", commit=commit, observer=observer)
    assert answer.status == status
    assert committed == observer.payloads == [VIEWS]


def test_a_payload_that_is_only_counted_waits_for_no_commit():
    """Nothing of it has to be durable."""
    observer = Recorder()
    answer = ask(pending(COUNTED, Response({})), "POST", commit=None, observer=observer)
    assert answer.content == b"{}"
    assert observer.payloads == [COUNTED]


@pytest.mark.parametrize("is_at_once", [True, False])
def test_a_commit_that_fails_is_the_answer(is_at_once):
    """And nobody is told that the payload was accepted."""

    def refuse(_payload):
        raise Overloaded("too much")

    async def fail(_payload):
        raise StoreBusy("busy")

    observer = Recorder()
    commit = refuse if is_at_once else fail
    answer = ask(pending(VIEWS, Response({})), "POST", commit=commit, observer=observer)
    assert answer.status == 503
    assert (b"too much" if is_at_once else b"busy") in answer.content
    assert observer.payloads == []


@pytest.mark.parametrize("body", [[], [b'{"user_id": ']])
def test_a_body_that_is_not_sent_to_its_end_is_not_handled(body):
    """Its part may look whole. A client that has closed one direction only reads an error."""
    observer = Recorder()
    app = pending(VIEWS, Response({}))
    answer = ask(app, "POST", body=body, is_sent_to_its_end=False, observer=observer)
    assert b"the request was not complete" in answer.content
    assert observer.payloads == []


def test_each_answer_has_a_request_id_that_the_log_shows_with_the_route(app):
    """The server makes it, whatever the client sends."""
    observer = Recorder()
    sent = [(b"x-request-id", b"mine")]
    ids = [
        ask(app, path=b"/u", headers=sent, observer=observer).headers[b"x-request-id"].decode()
        for _ in range(2)
    ]
    assert [answer.request_id for answer in observer.answers] == ids
    assert len({*ids, "mine"}) == 3
    assert {answer[1:4] for answer in observer.answers} == {("GET", "/{user_id}", 200)}
    assert ask(application_of(), "DELETE", b"/users/anna", observer=observer).status == 404
    assert observer.answers[-1][1:4] == ("other", "none", 404)


def test_a_client_that_does_not_send_its_body_in_time_reads_an_error(monkeypatch):
    """And nothing of what it sent is held."""
    monkeypatch.setattr(request_slots, "_SECONDS_TO_SEND", 0.05)

    async def send_slowly():
        served = adapter(pending(VIEWS, Response({})))
        sent = []

        async def receive():
            await asyncio.sleep(0.03)
            return {"type": "http.request", "body": b"x", "more_body": True}

        async def send(message):
            sent.append(message)

        await served(scope(), receive, send)
        assert (served._bodies.held, served._slots.count) == (0, 0)
        return sent[0]["status"], sent[1]["body"]

    status, content = asyncio.run(send_slowly())
    assert status == 408
    assert b"the request was not complete within 0.05 s" in content


@pytest.mark.parametrize(
    "limit", [(request_slots, "_MOST_REQUESTS", 3), (body_reader, "_MOST_HELD", 350)]
)
def test_requests_over_a_limit_are_refused_and_nothing_stays_held(monkeypatch, limit):
    """Three bodies of a hundred bytes fit; the fourth and the fifth wait for nothing."""
    monkeypatch.setattr(*limit)
    monkeypatch.setattr(body_reader, "_SMALL", 0)

    async def send_five():
        served = adapter(pending(VIEWS, Response({})))
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
        assert served._bodies.held == 300
        may_end.set()
        await asyncio.gather(*running)
        assert (served._bodies.held, served._slots.count) == (0, 0)
        return sorted(filter(None, statuses))

    assert asyncio.run(send_five()) == [200, 200, 200, 503, 503]


def test_an_answer_that_cannot_be_encoded_is_an_internal_error(caplog):
    """The error is logged without its text, and the request is counted like any other."""
    observer = Recorder()
    route = Route("GET", "/", lambda *_: Response({"text": "\udcff"}), "", is_public=True)
    answer = ask(application_of(route), "GET", b"/", observer=observer)
    assert answer.status == 500
    assert json.loads(answer.content)["code"] == "internal_error"
    assert observer.answers[-1][1:4] == ("GET", "/", 500)
    assert "a request failed" in caplog.text

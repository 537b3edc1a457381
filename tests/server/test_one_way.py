"""A request goes one way: it enters Bottle once and its answer is rendered once."""

import ast
import asyncio
import json
from pathlib import Path

import bottle
import pytest

import behavstats.server
from behavstats.errors import Overloaded, StoreBusy
from behavstats.server import request_slots
from behavstats.server.auth import Keys
from behavstats.server.render import Renderer
from tests.support.edge import ours
from tests.support.in_process import adapter, answer_to, application, commit_nothing, scope
from tests.support.keyed import SECRET_KEY, WRITE_KEY, WRONG_KEY, bearer

VALID = json.dumps(ours("/")).encode()


@pytest.fixture
def counted(monkeypatch):
    """Count how often a request enters Bottle, by any door, and how often one is rendered."""
    calls = {"entered": 0, "rendered": 0}

    def count(owner, name, key):
        method = getattr(owner, name)

        def counting(*arguments):
            calls[key] += 1
            return method(*arguments)

        monkeypatch.setattr(owner, name, counting)

    for door in ("match", "wsgi", "_handle"):
        count(bottle.Bottle, door, "entered")
    count(Renderer, "render", "rendered")
    return calls


def shown(key):
    """The header with a key, as ASGI has it."""
    return [(name.lower().encode(), value.encode()) for name, value in bearer(key).items()]


async def fail(_payload):
    raise StoreBusy("busy")


async def break_down(_payload):
    raise RuntimeError("broken")


def overload(_payload):
    raise Overloaded("too much is waiting")


OF_SENDER = {"path": b"/v1/page", "headers": shown(WRITE_KEY)}
CASES = {
    "a page view": (OF_SENDER, [VALID], commit_nothing, 200),
    "a failed commit": (OF_SENDER, [VALID], fail, 503),
    "an unexpected error of a commit": (OF_SENDER, [VALID], break_down, 500),
    "a commit that is refused at once": (OF_SENDER, [VALID], overload, 503),
    "a rejected message": (OF_SENDER, [b"{}"], commit_nothing, 400),
    "a large body": (OF_SENDER, [VALID.ljust(300_000)], fail, 503),
    "a body that is too large": (OF_SENDER, [b" " * 5_000_000], commit_nothing, 413),
    "a body that is cut off": (OF_SENDER, [], commit_nothing, 400),
    "a key in the body": (
        {"path": b"/v1/page"},
        [json.dumps(ours("/") | {"writeKey": WRITE_KEY}).encode()],
        commit_nothing,
        200,
    ),
    "a wrong key in the body": (
        {"path": b"/v1/page"},
        [json.dumps(ours("/") | {"writeKey": WRONG_KEY}).encode()],
        commit_nothing,
        401,
    ),
    "a refused key": (
        {"path": b"/v1/page", "headers": shown(WRONG_KEY)},
        [VALID],
        commit_nothing,
        401,
    ),
    "a read": (
        {"method": "GET", "path": b"/v1/user/nobody", "headers": shown(SECRET_KEY)},
        [],
        commit_nothing,
        404,
    ),
    "a slow route": (
        {"method": "DELETE", "path": b"/v1/user/nobody", "headers": shown(SECRET_KEY)},
        [],
        commit_nothing,
        404,
    ),
    "an unknown parameter": (
        {
            "method": "GET",
            "path": b"/v1/user/u",
            "query": b"x=1",
            "headers": shown(SECRET_KEY),
        },
        [],
        commit_nothing,
        400,
    ),
    "an unknown route": ({"method": "GET", "path": b"/nothing"}, [], commit_nothing, 404),
    "an unknown route with a body": ({"path": b"/nothing"}, [VALID], commit_nothing, 404),
    "a wrong method": ({"method": "PUT", "path": b"/v1/page"}, [], commit_nothing, 405),
    "a preflight": (
        {"method": "OPTIONS", "path": b"/v1/page", "headers": [(b"origin", b"https://a.example")]},
        [],
        commit_nothing,
        204,
    ),
    "the root": ({"method": "GET", "path": b"/"}, [], commit_nothing, 303),
    "a head": ({"method": "HEAD", "path": b"/healthz"}, [], commit_nothing, 200),
}


@pytest.mark.parametrize(("asked", "body", "commit", "status"), CASES.values(), ids=CASES)
def test_a_request_enters_bottle_once_and_is_rendered_once(
    store, counted, asked, body, commit, status
):
    """Whatever happens to it on its way."""
    app = application(store, Keys([WRITE_KEY], [SECRET_KEY]))

    async def send_it():
        return await answer_to(adapter(app, commit), scope(**asked), body)

    answer = asyncio.run(send_it())
    assert answer.status == status
    assert counted == {"entered": 1, "rendered": 1}


def test_a_slow_client_enters_bottle_once(store, counted, monkeypatch):
    """Its route is known before its body is waited for; its time-out is rendered like all else."""
    monkeypatch.setattr(request_slots, "_SECONDS_TO_SEND", 0.0)
    sent = []

    async def receive():
        await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    async def send_nothing():
        await adapter(application(store))(scope(path=b"/v1/page"), receive, send)

    asyncio.run(send_nothing())
    assert sent[0]["status"] == 408
    assert json.loads(sent[1]["body"])["code"] == "request_timeout"
    assert counted == {"entered": 1, "rendered": 1}


def test_a_request_that_is_too_many_enters_bottle_once(store, counted, monkeypatch):
    """It is refused before its body is read."""
    monkeypatch.setattr(request_slots, "_MOST_REQUESTS", 0)

    async def send_it():
        return await answer_to(adapter(application(store)), scope(path=b"/v1/page"), [VALID])

    answer = asyncio.run(send_it())
    assert answer.status == 503
    assert json.loads(answer.content)["code"] == "overloaded"
    assert answer.headers[b"retry-after"] == b"1"
    assert counted == {"entered": 1, "rendered": 1}


def test_no_module_of_the_server_carries_results_in_an_environment():
    """Neither in a WSGI environment nor in Bottle's request and response of a thread."""
    for path in Path(behavstats.server.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) not in {
                    ("bottle", "request"),
                    ("bottle", "response"),
                }, path.name
            assert not (isinstance(node, ast.Name) and node.id in {"environ", "environment"})


def test_every_answer_of_bottle_is_in_the_form_of_all_others(store):
    """An unknown path and a wrong method: JSON with a code, and with the request's id."""
    app = application(store)
    for asked, code in (
        ({"method": "GET", "path": b"/%FF"}, "not_found"),
        ({"method": "GET", "path": b"/docs/%FF"}, "not_found"),
        ({"method": "PUT", "path": b"/v1/page"}, "method_not_allowed"),
    ):
        answer = asyncio.run(answer_to(adapter(app), scope(**asked)))
        assert answer.headers[b"content-type"] == b"application/json"
        assert answer.headers[b"x-request-id"]
        assert json.loads(answer.content)["code"] == code
    assert answer.headers[b"allow"] == b"OPTIONS,POST"

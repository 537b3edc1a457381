"""The log: one JSON object a line or readable text, without any personal data."""

import gzip
import http.client
import json
import logging
import os
import pty
import re
import signal
import threading
from contextlib import suppress

import pytest

from behavstats.logs import Log
from behavstats.model.timestamps import parse_instant
from tests.support.edge import batch, lines_of, ours, page, wait_until, worker_of

WRITE_KEY, SECRET_KEY = "write-4a7d1ed414474e4033ac", "secret-9a1158154dfa42caddbd"


def words_of(*secrets):
    return re.compile("|".join(map(re.escape, secrets)))


def test_each_request_is_logged_as_a_json_object(serve):
    """With the id of its response, time, route, status and duration."""
    server = serve()
    ids = {}
    for method, path, body, route, status in (
        ("POST", "/v1/page", json.dumps(ours("/")).encode(), "/v1/page", 200),
        ("POST", "/v1/b", batch(page("/"), 7), "/v1/b", 200),
        ("POST", "/v1/batch", b"{", "/v1/batch", 400),
        ("GET", "/v1/user/u", None, "/v1/user/{user_id}", 200),
        ("GET", "/v1/user/nobody?days=30", None, "/v1/user/{user_id}", 404),
        ("PUT", "/v1/user/u", None, "none", 405),
        ("GET", "/wp-admin/u", None, "none", 404),
    ):
        answered, headers, _ = server.request(method, path, body)
        assert answered == status
        ids[headers["X-Request-Id"]] = ("other" if route == "none" else method, route, status)
    assert server.stop() == 0
    lines = lines_of(server.stderr)
    logged = {
        line["request_id"]: (line["method"], line["route"], line["status"])
        for line in lines
        if "request_id" in line
    }
    assert ids.items() <= logged.items()
    assert all(line["level"] == "info" and line["seconds"] > 0 for line in lines[1:])
    instants = [parse_instant(line["time"]) for line in lines]
    assert instants == sorted(instants)


def test_the_log_holds_no_page_views_users_or_keys(serve):
    """Wherever they stand in a request, and however it is refused."""
    keys = ("--write-key", WRITE_KEY, "--secret-key", SECRET_KEY)
    server = serve(*keys)
    user, name = "user-8f14e45f", "/name-ceea167a"
    body = json.dumps(ours(name, user) | {"writeKey": WRITE_KEY}).encode()
    bad = json.dumps({"type": "page", "userId": user, "name": name, "timestamp": name}).encode()
    wrong = "wrong-45c48cce2e2d7fbdea1a"
    with_key = f"?writeKey={WRITE_KEY}"
    for method, path, sent in (
        ("POST", "/v1/page", body),
        ("POST", "/v1/page" + with_key, bad),
        ("POST", "/v1/batch" + with_key, batch(json.loads(body), bad)),
        ("POST", "/v1/batch" + with_key, gzip.compress(batch(bad))[:-3]),
        ("POST", "/v1/batch" + with_key, body),
        ("POST", "/v1/page?writeKey=" + wrong, body),
        ("POST", f"/v1/{user}{with_key}", body),
        ("GET", f"/v1/user/{user}{with_key}", None),
        ("GET", f"/v1/user/{user}?writeKey={SECRET_KEY}", None),
        ("GET", f"/v1/user/{user}?days={name}&writeKey={SECRET_KEY}", None),
        ("GET", f"/v1/projects/{WRITE_KEY}/settings", None),
        ("DELETE", f"/v1/user/{user}?writeKey={wrong}", None),
        ("DELETE", f"/v1/user/{user}?writeKey={SECRET_KEY}", None),
        ("DELETE", f"/v1/user/{user}?writeKey={SECRET_KEY}", None),
    ):
        server.request(method, path, sent)
    busy = serve(*keys, limits=("server.request_slots._MOST_REQUESTS=0",))
    assert busy.request("POST", "/v1/page" + with_key, body)[0] == 503
    assert (server.stop(), busy.stop()) == (0, 0)
    text = server.stderr + busy.stderr
    lines = lines_of(text)
    assert len(lines) > 15
    assert not words_of(user, name, WRITE_KEY, SECRET_KEY, wrong).search(text)
    (refused,) = [line for line in lines if line["level"] == "warning"]
    of_it = [line for line in lines if line.get("request_id") == refused["request_id"]]
    assert [line.get("status") for line in of_it] == [None, 503]


class Lines:
    """A stream that keeps what is written."""

    def __init__(self, is_terminal=False):
        self.text = ""
        self.isatty = lambda: is_terminal

    def write(self, text):
        self.text += text

    def flush(self):
        """Do nothing, since every line is kept already."""


@pytest.fixture
def logger():
    """A logger of the standard library without handlers."""
    logger = logging.Logger("test")
    yield logger
    for handler in logger.handlers:
        handler.close()


def test_an_unexpected_error_is_logged_without_its_text(logger):
    """Its type and place are logged; its text may hold anything."""
    stream = Lines()
    logger.addHandler(Log(stream))
    try:
        {}["user-8f14e45f"]
    except KeyError:
        logger.exception("a request failed", extra={"request_id": "id-1"})
    wait_until(lambda: stream.text.endswith("\n"))
    (line,) = lines_of(stream.text)
    assert (line["level"], line["message"], line["error"]) == (
        "error",
        "a request failed",
        "KeyError",
    )
    assert line["request_id"] == "id-1"
    assert re.fullmatch(r"test_logs\.py:\d+ test_an_\w+", line["at"][0])
    assert "8f14e45f" not in stream.text


def test_a_message_of_several_lines_is_logged_as_one_line(logger):
    """Other libraries write such messages."""
    stream = Lines()
    logger.addHandler(Log(stream))
    logger.warning("one\ntwo\x1b[31m")
    wait_until(lambda: stream.text.endswith("\n"))
    assert [line["message"] for line in lines_of(stream.text)] == ["one\ntwo\x1b[31m"]


def test_a_stalled_reader_blocks_no_caller_and_dropped_lines_are_counted(logger):
    """More lines than a pipe holds and than may wait; memory does not grow.

    At most the lines in the pipe, in the writing thread and in the queue are written later.
    """
    reader, writer = os.pipe()
    log = Log(os.fdopen(writer, "w"))
    logger.addHandler(log)
    many = 40_000
    for number in range(many):
        logger.warning("line %d", number)
    assert len(log._waiting) <= 10_000
    with os.fdopen(reader) as stream:
        written, dropped = 0, 0
        while written + dropped < many:
            message = json.loads(stream.readline())["message"]
            if message.startswith("line"):
                written += 1
            else:
                dropped += int(message.split()[0].replace(",", ""))
    assert written + dropped == many
    assert written <= 1_000 + 10_000 + 10_000


def test_a_server_works_and_stops_without_a_reader_of_its_log(serve):
    """With a full pipe, and with one whose other end was closed."""
    for is_closed in (False, True):
        reader, writer = os.pipe()
        server = serve(stderr=writer)
        os.close(writer)
        if is_closed:
            os.close(reader)
        assert asked(server, 1_000) == [200] * 1_000
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=60) == 0
        if not is_closed:
            os.close(reader)


def asked(server, count):
    """Return the statuses of many requests, one after the other on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    statuses = []
    for _ in range(count):
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        answer.read()
        statuses.append(answer.status)
    connection.close()
    return statuses


def test_at_a_terminal_the_log_is_text(serve):
    """For the person who started the server."""
    terminal, end = pty.openpty()
    server = serve(stderr=end)
    os.close(end)
    seen = []

    def read():
        with suppress(OSError):  # so ends a terminal
            while data := os.read(terminal, 65536):
                seen.append(data)

    reader = threading.Thread(target=read)
    reader.start()
    assert server.request("GET", "/healthz")[0] == 200
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=60) == 0
    reader.join(timeout=60)
    os.close(terminal)
    first, *more = b"".join(seen).decode().splitlines()
    serves = r"behavstats serves \S+ on http://127\.0\.0\.1:\d+"
    assert re.fullmatch(rf"\S+Z INFO {serves}; its documentation is at \S+/docs", first)
    assert re.fullmatch(r"\S+Z INFO GET /healthz 200 [\d.]+ ms [0-9a-f]+-[0-9a-f]+", more[-1])


def test_granian_messages_are_json_lines(serve):
    """Only the command's own error message is for a person."""
    server = serve()
    os.kill(worker_of(server), signal.SIGKILL)
    assert server.process.wait(timeout=60) == 3
    with server.process.stderr as stderr:
        told = stderr.read().decode().splitlines()
    for_a_person = [line for line in told if line.startswith("behavstats: ")]
    assert len(for_a_person) == 1
    (error,) = [
        line
        for line in lines_of("\n".join(set(told) - set(for_a_person)))
        if line["level"] == "error"
    ]
    assert error["message"] == "Unexpected exit from worker-1"

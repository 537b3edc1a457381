"""Helpers for tests of the HTTP edge: raw requests, batches, processes of a server."""

import fcntl
import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from behavstats.clock import system_clock
from behavstats.model.timestamps import format_instant

MIB = 1024 * 1024


def page(name: str, **more: Any) -> dict[str, Any]:
    """Return a page view of now as a Segment message."""
    now = format_instant(system_clock())
    return {"type": "page", "userId": "u", "name": name, "timestamp": now} | more


def ours(name: str, user_id: str = "u") -> dict[str, Any]:
    """Return a page view of now in our own format."""
    return {"user_id": user_id, "name": name, "timestamp": format_instant(system_clock())}


def batch(*messages: Any, **more: Any) -> bytes:
    """Return the text of a batch; messages that are bytes are used unchanged."""
    texts = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in messages]
    around = json.dumps(more).encode()[1:-1]
    return b'{"batch": [' + b", ".join(texts) + b"]" + (b", " + around if around else b"") + b"}"


def head(method: str, path: str, *headers: str) -> bytes:
    """Return the head of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def post(path: str, body: bytes) -> bytes:
    """Return a whole POST request."""
    return head("POST", path, f"Content-Length: {len(body)}") + body


def connect(server: Any) -> socket.socket:
    """Open a connection with a timeout of half a minute."""
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


def rest_of(connection: socket.socket) -> bytes:
    """Read until the server closes the connection."""
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def answers_of(connection: socket.socket, count: int) -> list[tuple[int, dict[str, str], Any]]:
    """Read several responses: status, headers (with lower-case names) and JSON."""
    answers = []
    with connection.makefile("rb") as stream:
        for _ in range(count):
            status = int(stream.readline().split()[1])
            headers = {}
            while line := stream.readline().strip().decode("latin-1"):
                name, _, value = line.partition(": ")
                headers[name.lower()] = value
            body = stream.read(int(headers.get("content-length", 0)))
            answers.append((status, headers, json.loads(body or b"null")))
    return answers


def answer_of(connection: socket.socket) -> tuple[int, dict[str, str], Any]:
    """Read one response."""
    return answers_of(connection, 1)[0]


def wait_until(holds: Callable[[], Any], seconds: float = 60) -> None:
    """Wait until `holds` returns something true; fail after so many seconds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(0.01)


def is_waited_for(db: Path) -> bool:
    """Return whether a process waits for the lock of the store."""
    with Path(f"{db}-turn").open() as turnstile:
        try:
            fcntl.flock(turnstile, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def worker_of(server: Any) -> int:
    """Return the process id of the worker."""
    pid = server.process.pid
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def peak_of(pid: int) -> int:
    """Return the peak memory of a process, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def lines_of(text: str) -> list[dict[str, Any]]:
    """Return the lines of a log, which are JSON objects."""
    return [json.loads(line) for line in text.splitlines()]

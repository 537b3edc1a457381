"""What the tests of the HTTP edge share: requests byte by byte, batches, a server's processes."""

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
    """A page view as a Segment client sends it, of now."""
    now = format_instant(system_clock())
    return {"type": "page", "userId": "u", "name": name, "timestamp": now} | more


def ours(name: str, user_id: str = "u") -> dict[str, Any]:
    """A page view in our own format, of now."""
    return {"user_id": user_id, "name": name, "timestamp": format_instant(system_clock())}


def batch(*messages: Any, **more: Any) -> bytes:
    """A batch as text; messages that are bytes stand in it as they are."""
    texts = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in messages]
    around = json.dumps(more).encode()[1:-1]
    return b'{"batch": [' + b", ".join(texts) + b"]" + (b", " + around if around else b"") + b"}"


def head(method: str, path: str, *headers: str) -> bytes:
    """The head of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def post(path: str, body: bytes) -> bytes:
    """A whole request."""
    return head("POST", path, f"Content-Length: {len(body)}") + body


def connect(server: Any) -> socket.socket:
    """Open a connection on which nothing waits longer than half a minute."""
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
    """Read answers that come one after the other: status, headers (small letters) and JSON."""
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
    """Read one answer."""
    return answers_of(connection, 1)[0]


def wait_until(holds: Callable[[], Any], seconds: float = 60) -> None:
    """Return as soon as something holds; fail if it never does."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "what was waited for does not come"
        time.sleep(0.01)


def is_waited_for(db: Path) -> bool:
    """Whether somebody waits for the store, which another holds."""
    with Path(f"{db}-turn").open() as turnstile:
        try:
            fcntl.flock(turnstile, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def worker_of(server: Any) -> int:
    """The process that does the work."""
    pid = server.process.pid
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def peak_of(pid: int) -> int:
    """The most memory that a process has had, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def lines_of(text: str) -> list[dict[str, Any]]:
    """A log, each line of which is a JSON object."""
    return [json.loads(line) for line in text.splitlines()]

"""What the tests share: a place of its own for each, real stores, processes and HTTP."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, settings

from behavstats.store import create_store
from tests.support.ports import free_port

# A property that takes long on a busy machine is no less true; and what fails there fails anywhere.
settings.register_profile(
    "behavstats",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("behavstats")

BEHAVSTATS = Path(sys.executable).with_name("behavstats")
PATCHED = Path(__file__).parent / "support" / "patched.py"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    """No test reaches the default store of whoever runs it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BEHAVSTATS_DB", raising=False)


@pytest.fixture
def db(tmp_path):
    return tmp_path / "store.db"


@pytest.fixture
def store(db):
    with create_store(db, lock_timeout=10) as store:
        yield store


@pytest.fixture
def folder(tmp_path):
    """A folder of files to follow."""
    folder = tmp_path / "in"
    folder.mkdir()
    return folder


@pytest.fixture
def cli(db):
    """Run behavstats as a process on the test's store."""

    def run(*arguments, stdin=b"", **options):
        environment = run.environment | options.pop("env", {})
        return subprocess.run(
            [BEHAVSTATS, *arguments],
            input=stdin,
            capture_output=True,
            timeout=120,
            env=environment,
            check=False,
            **options,
        )

    run.environment = os.environ | {"BEHAVSTATS_DB": str(db)}
    return run


class ServerProcess:
    """`behavstats serve` as a process, and requests to it."""

    def __init__(self, db: Path, *options: str, limits: tuple[str, ...] = (), **popen: Any) -> None:
        """Start it, maybe with other limits than its own (`MODULE.NAME=NUMBER`)."""
        self.port = free_port()
        arguments = ["serve", "--db", str(db), "--port", str(self.port), *options]
        program = [sys.executable, PATCHED, *limits, "--"] if limits else [BEHAVSTATS]
        self.process = subprocess.Popen(
            [*program, *arguments],
            **{"stderr": subprocess.PIPE, "start_new_session": True, **popen},
        )
        deadline = time.monotonic() + 60
        while self._health() != 200:
            assert self.process.poll() is None, self.process.communicate()[1].decode()
            assert time.monotonic() < deadline, "the server does not become ready"
            time.sleep(0.02)

    def _health(self) -> int | None:
        try:
            return self.request("GET", "/healthz")[0]
        except OSError:
            return None

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, Any] = {}
    ) -> tuple[int, Any, Any]:
        """Make a request on a connection of its own; return status, headers and parsed body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read()
            is_json = answer.headers.get_content_type() == "application/json"
            return answer.status, answer.headers, json.loads(text or b"null") if is_json else text
        finally:
            connection.close()

    def post(self, user_id: str, name: str, timestamp: str) -> int:
        event = {"user_id": user_id, "name": name, "timestamp": timestamp}
        return self.request("POST", "/v1/page", json.dumps(event).encode())[0]

    def get(self, user_id: str, query: str = "") -> tuple[int, Any]:
        status, _, body = self.request("GET", user_path(user_id) + query)
        return status, body

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        """Stop it with a signal; return its exit code."""
        self.process.send_signal(signal_number)
        code = self.process.wait(timeout=60)
        if self.process.stderr is not None:
            self.stderr = self.process.stderr.read().decode()
            self.process.stderr.close()
        return code


def user_path(user_id: str) -> str:
    return "/v1/user/" + quote(user_id, safe="")


@pytest.fixture
def serve(db):
    """Start servers on the test's store; those that still run at its end are stopped."""
    servers = []

    def start(*options, **more):
        servers.append(ServerProcess(db, *options, **more))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.stop()


@pytest.fixture
def server(serve):
    return serve()


def files_of(db: Path) -> dict[str, bytes]:
    """Return every file of a store, by name."""
    return {path.name: path.read_bytes() for path in db.parent.glob(db.name + "*")}

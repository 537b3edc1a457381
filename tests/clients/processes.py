"""The processes of these tests: a real server, and programs that use published clients."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from behavstats.clock import system_clock
from behavstats.decode.event import decode_event
from behavstats.model.page_view import PageView
from behavstats.model.timestamps import format_instant
from tests.conftest import BEHAVSTATS, user_path
from tests.support.ports import free_port

WRITE_KEY = "a-write-key-of-these-tests"
SECRET_KEY = "a-secret-key-of-these-tests"

IN_PYTHON = ("analytics-python", "analytics-python-2.3", "rudder-python")
IN_NODE = ("analytics-node", "analytics-node-6", "rudder-node")
IN_OLD_NODE = ("analytics-node-1", "analytics-node-2")
IN_BROWSERS = ("analytics-next", "analytics-next-batching", "rudder-js", "rudder-js-beacon")

_INSTALLED = Path(__file__).parents[2] / "build" / "clients"


def wait_until(condition: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Poll until a condition is true; fail if that takes too long."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


class Server:
    """`behavstats serve` with keys, which may be stopped and started again on the same port."""

    def __init__(self, db: Path) -> None:
        self.db = db
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        keys = ["--write-key", WRITE_KEY, "--secret-key", SECRET_KEY]
        with Path(f"{self.db}.log").open("ab") as log:
            self._process = subprocess.Popen(
                [BEHAVSTATS, "serve", "--db", self.db, "--port", str(self.port), *keys], stderr=log
            )
        wait_until(self._is_ready, "the server is ready")

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(timeout=30) == 0

    def end(self) -> None:
        """Stop the server at the end of a test, if it runs."""
        if self._process.poll() is None:
            self.stop()

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, Path(f"{self.db}.log").read_text()
        try:
            return self._get("/healthz")[0] == 200
        except OSError:
            return False

    def _get(self, path: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {SECRET_KEY}"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def profile(self, user_id: str) -> dict[str, Any]:
        status, body = self._get(user_path(user_id))
        assert status == 200, body
        return body

    def knows(self, user_id: str) -> bool:
        return self._get(user_path(user_id))[0] == 200

    def page_views(self, user_id: str) -> list[PageView]:
        """Return all page views of a user, as `behavstats export` prints them."""
        done = subprocess.run(
            [BEHAVSTATS, "export", "--db", self.db, "--", user_id], capture_output=True, check=False
        )
        return [decode_event(line, system_clock()) for line in done.stdout.splitlines()]


class Client:
    """A program that uses the published client with this name."""

    def __init__(self, name: str, server: Server, folder: Path, key: str) -> None:
        self._name = name
        self._output = folder / f"{name}.log"
        variables = environment()
        if name == "analytics-python-2.3":
            variables["PYTHONPATH"] = str(_INSTALLED / name)
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [*_program(name), name, server.address, key],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=variables,
                text=True,
            )

    def call(self, kind: str, **message: Any) -> None:
        """Call a method of the client, with the keys of Segment's specification."""
        self._process.stdin.write(json.dumps({"type": kind, **message}) + "\n")  # type: ignore[union-attr]
        self._process.stdin.flush()  # type: ignore[union-attr]

    def view(self, *views: PageView) -> None:
        """Make a page call for each page view, with its time."""
        for view in views:
            self.call(
                "page",
                userId=view.user_id,
                name=view.name,
                timestamp=format_instant(view.instant),
            )

    def sign_in(self, user_id: str) -> None:
        """Identify the user: in a browser, all later page views belong to this user."""
        if self._name in IN_BROWSERS:
            self.call("open", path="/")
        self.call("identify", userId=user_id)

    def wait_until_it_fails(self, why: str = "") -> None:
        """Wait until an attempt to send has failed."""

        def has_failed() -> bool:
            assert self._process.poll() is None, self._output.read_text()
            return any(why in failure for failure in self.failures())

        wait_until(has_failed, f"failed: {why}")

    def failures(self) -> list[str]:
        return [line for line in self._lines() if line.startswith("failed: ")]

    def _lines(self) -> list[str]:
        return self._output.read_text().splitlines()

    def finish(self) -> str:
        """Wait until every call was acknowledged; return a browser's anonymous id."""
        assert self.exit_code() == 0, self._output.read_text()
        return self._lines()[-1].removeprefix("visitor: ") if self._name in IN_BROWSERS else ""

    def exit_code(self) -> int:
        """End the input of the program; return its exit code."""
        self._process.stdin.close()  # type: ignore[union-attr]
        return self._process.wait(timeout=90)

    def end(self) -> None:
        """Kill the program at the end of a test, if it runs."""
        self._process.stdin.close()  # type: ignore[union-attr]
        self._process.kill()
        self._process.wait()


def environment() -> dict[str, str]:
    """Return environment variables with which a driver finds its packages and its browser."""
    chromium = shutil.which("chromium") or ""
    return os.environ | {"NODE_PATH": str(_INSTALLED / "node_modules"), "CHROMIUM": chromium}


def driver(name: str) -> Path:
    return Path(__file__).with_name("drivers") / name


def _program(name: str) -> list[str | Path]:
    if name in IN_PYTHON:
        return [sys.executable, driver("python.py")]
    return ["node", driver("node.cjs" if name in IN_NODE + IN_OLD_NODE else "browser.cjs")]

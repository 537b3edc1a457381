"""The load generators: wrk where the system has it, or else locust."""

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from measure import HERE, MeasureError, command, start

CONNECTIONS = 32
_AT_MOST = 600  # seconds, of a run that is stopped
_LOCUST_STARTS_WITHIN = 3  # seconds; wrk sends at once


@dataclass(frozen=True)
class Load:
    """What came back: requests answered in so many seconds, and latencies in ms."""

    requests: int
    seconds: float
    failed: int
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


@dataclass(frozen=True)
class Gets:
    """GETs of paths, which a file lists."""

    paths: Path

    @property
    def arguments(self) -> list[str]:
        """What the generators are told."""
        return ["get", str(self.paths)]


@dataclass(frozen=True)
class Posts:
    """POSTs of page views, each another one: `stay` of a user, then of the next.

    Users and pages stand in files; the instants begin with `since` (ms) and are a ms apart, or lie
    at random in the `span` ms from there.
    """

    users: Path
    pages: Path
    stay: int
    since: int
    span: int = 0

    @property
    def arguments(self) -> list[str]:
        """What the generators are told."""
        numbers = map(str, (self.stay, self.since, self.span))
        return ["post", "/v1/page", str(self.users), str(self.pages), *numbers]


class Generator:
    """A load generator with 32 connections."""

    def __init__(self) -> None:
        self._wrk = shutil.which("wrk")

    @property
    def name(self) -> str:
        """Which one it is."""
        return "wrk" if self._wrk else "locust"

    def send(self, requests: Gets | Posts, url: str, seconds: int) -> Load:
        """Send requests for some seconds; MeasureError if one failed."""
        return _finished(self._started(requests, url, seconds))

    def send_while(self, requests: Gets | Posts, url: str, work: Callable[[], object]) -> Load:
        """Send requests while some work is done."""
        process = self._started(requests, url, _AT_MOST)
        time.sleep(0 if self._wrk else _LOCUST_STARTS_WITHIN)
        try:
            work()
        finally:
            process.send_signal(signal.SIGINT if self._wrk else signal.SIGTERM)
        return _finished(process)

    def _started(self, requests: Gets | Posts, url: str, seconds: int) -> subprocess.Popen[bytes]:
        arguments = requests.arguments
        if self._wrk:
            options = ["-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(HERE / "load.lua")]
            return start([self._wrk, *options, url, "--", *arguments])
        number = str(CONNECTIONS)
        options = ["--headless", "-u", number, "-r", number, "-t", str(seconds), "-H", url]
        locust = [command("locust"), "-f", str(HERE / "locustfile.py"), *options, "--only-summary"]
        return start(locust, env={"LOAD": json.dumps(arguments)})


def _finished(process: subprocess.Popen[bytes]) -> Load:
    printed, _ = process.communicate()
    for line in printed.decode().splitlines():
        if line.startswith("LOAD "):
            load = Load(**json.loads(line.removeprefix("LOAD ")))
            if load.failed or not load.requests:
                raise MeasureError(f"{load.failed:,} of {load.requests:,} requests failed")
            return load
    raise MeasureError(f"the load generator ended with {process.returncode} and without a result")

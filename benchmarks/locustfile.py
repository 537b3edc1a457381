"""What locust sends where there is no wrk, and what it found: as load.lua does, which see."""

import json
import os
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count, cycle
from pathlib import Path
from statistics import quantiles

from locust import FastHttpUser, constant, events, task

_latencies: list[float] = []  # in ms
_failed: list[object] = []
_begin = time.perf_counter()


def _lines(path: str) -> list[str]:
    return Path(path).read_text().split()


def _gets(file: str) -> Iterator[tuple[str, str, str | None]]:
    return (("GET", path, None) for path in cycle(_lines(file)))


def _posts(  # noqa: PLR0913, PLR0917
    path: str, users: str, pages: str, stay: str, since: str, span: str
) -> Iterator[tuple[str, str, str | None]]:
    user_ids, names, rng = _lines(users), _lines(pages), random.Random(int(since))
    for sent in count():
        instant = int(since) + (rng.randrange(int(span)) if int(span) else sent)
        time_of_it = datetime.fromtimestamp(instant / 1000, UTC).isoformat(timespec="milliseconds")
        view = {
            "user_id": user_ids[sent // int(stay) % len(user_ids)],
            "name": names[sent * 7 % len(names)],
            "timestamp": time_of_it,
        }
        yield "POST", path, json.dumps(view)


_kind, *_arguments = json.loads(os.environ["LOAD"])
_requests = (_gets if _kind == "get" else _posts)(*_arguments)


class Client(FastHttpUser):
    """One connection, which sends the next request as soon as the last was answered."""

    wait_time = constant(0)

    @task
    def send(self) -> None:
        """Send the next of all requests."""
        method, path, body = next(_requests)
        headers = {"Content-Type": "application/json"}
        self.client.request(method, path, data=body, headers=headers, name="any")


@events.spawning_complete.add_listener
def _start(**_: object) -> None:
    """Count from here: the connections are there."""
    global _begin  # noqa: PLW0603
    _latencies.clear()
    _begin = time.perf_counter()


@events.request.add_listener
def _note(response_time: float, exception: object, **_: object) -> None:
    _latencies.append(response_time)
    if exception:
        _failed.append(exception)


@events.quitting.add_listener
def _report(**_: object) -> None:
    hundredths = quantiles(_latencies, n=100) if len(_latencies) > 1 else [0.0] * 99
    found = {
        "requests": len(_latencies),
        "seconds": time.perf_counter() - _begin,
        "failed": len(_failed),
        "p50": hundredths[49],
        "p99": hundredths[98],
    }
    print("LOAD", json.dumps(found), flush=True)

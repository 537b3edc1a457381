"""The clock steps backwards and forwards: stored page views stay, and answers follow the clock."""

import json
import os
import sys
from pathlib import Path

import pytest

from behavstats.ingest.pipeline import ingest
from behavstats.model.page_view import MAX_AHEAD, PageView
from behavstats.model.timestamps import DAY, HOUR, MINUTE, parse_instant
from tests.faults.clocks import FileClock
from tests.faults.load import event
from tests.faults.promise import keeps_its_promise
from tests.faults.servers import Server
from tests.support import oracle
from tests.support.histories import line, triples
from tests.support.ports import free_port

NOON = parse_instant("2024-02-29T12:00:00Z")
"""Of a leap day."""
MIDNIGHT = parse_instant("2024-03-01T00:00:00Z")


# Where the tests can be imported from, whatever the folder.
_ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}


@pytest.fixture
def clock(tmp_path):
    clock = FileClock(tmp_path / "clock")
    clock.set(NOON)
    return clock


@pytest.fixture
def start_by_clock(db, clock):
    """Start servers that go by the test's clock, one after the other."""
    port, servers = free_port(), []
    program = [sys.executable, "-m", "tests.faults.clocks", db, str(port), clock.path]

    def start():
        servers.append(Server(db, port, command=program, env=_ENVIRONMENT))
        return servers[-1]

    yield start
    for server in servers:
        server.kill_all()


def post(server, *views):
    """Post page views, one as it is, several as a batch; return status and answer."""
    bodies = [event(view) for view in views]
    path, body = ("/v1/page", bodies[0]) if len(bodies) == 1 else ("/v1/batch", {"batch": bodies})
    status, _, answer = server.request("POST", path, json.dumps(body).encode())
    return status, answer


def test_a_page_view_is_taken_up_to_24_hours_ahead_wherever_the_clock_steps(clock, start_by_clock):
    """The limit is exact to the ms; stored page views stay when the clock goes back."""
    server = start_by_clock()
    for number, step in enumerate([0, -3 * DAY, 10 * DAY, -1, 1, -DAY, 400 * DAY]):
        now = clock() + step
        clock.set(now)
        last = PageView("u", now + MAX_AHEAD, f"/{number}/last")
        beyond = PageView("u", now + MAX_AHEAD + 1, f"/{number}/beyond")
        assert post(server, last)[0] == 200
        status, answer = post(server, beyond)
        assert (status, answer["code"], answer["field"]) == (400, "invalid_timestamp", "timestamp")
        status, answer = post(server, last, beyond)
        assert (status, answer["page_views"], answer["rejected"]) == (200, 1, 1)


def test_profiles_are_those_of_the_clock_wherever_it_steps(db, clock, start_by_clock, chance):
    """Backwards, forwards, over a leap day's midnights, and while a server is started again.

    Page views that a step back leaves in the future are not in the window, but are later.
    """
    edges = [MIDNIGHT - DAY, MIDNIGHT, MIDNIGHT + 6 * DAY, MIDNIGHT + 7 * DAY, NOON]
    instants = [edge + off for edge in edges for off in (-1, 0, 1)]
    instants += [NOON + chance.randrange(-9 * DAY, 9 * DAY) for _ in range(25)]
    chance.shuffle(instants)
    server, views = start_by_clock(), set()
    for number, now in enumerate(instants):
        clock.set(now)
        new = {
            PageView("u", now - chance.choice([0, 1, MINUTE, HOUR, 3 * DAY]), f"/{number % 5}"),
            PageView("u", now + chance.choice([1, HOUR, DAY]), f"/{number % 3}"),
        }
        assert post(server, *new)[0] == 200
        views |= new
        if number % 10 == 9:
            server.kill("all")
            server = start_by_clock()
        for days in (7, 1, 2):
            status, answer = server.get("u", f"?days={days}")
            assert status == 200
            assert answer == oracle.profile(triples(views), "u", now, days)
        assert server.request("GET", "/readyz")[0] == 200
    assert server.stop() == 0
    assert keeps_its_promise(db, views, views) == views


def test_a_message_dated_by_its_arrival_keeps_its_date_when_the_clock_steps(
    db, clock, start_by_clock
):
    """Sent again after a step, or a restart, it is the same page view."""
    message = {"type": "page", "userId": "u", "name": "/", "messageId": "once"}
    body = json.dumps({"batch": [message]}).encode()
    server = start_by_clock()
    for step in (0, -2 * DAY, 5 * DAY, -1):
        clock.set(clock() + step)
        assert server.request("POST", "/v1/batch", body)[0] == 200
    server.kill("all")
    server = start_by_clock()
    clock.set(NOON + HOUR)
    assert server.request("POST", "/v1/batch", body)[0] == 200
    assert server.stop() == 0
    only = {PageView("u", NOON, "/")}
    assert keeps_its_promise(db, only, only) == only


@pytest.mark.parametrize(
    ("day", "status"),
    [
        ("2024-02-29", 200),
        ("2000-02-29", 200),
        ("2023-02-29", 400),
        ("1900-02-29", 400),
        ("2024-02-30", 400),
        ("2023-12-31", 200),
    ],
)
def test_a_leap_day_is_a_day_where_there_is_one(clock, start_by_clock, day, status):
    """Its page views count by their date, and are given back as they were sent."""
    server = start_by_clock()
    timestamp = f"{day}T23:59:59.999Z"
    clock.set(parse_instant("2024-03-02T00:00:00Z"))
    assert server.post("u", "/", timestamp) == status
    if status == 200:
        query = f"?as_of={timestamp}&detail=true"
        _, answer = server.get("u", query)
        assert answer["first_view"] == timestamp
        assert [d["date"] for d in answer["days"] if d["views"]] == [day]


def test_an_ingest_goes_by_the_clock_of_each_block_and_the_next_takes_what_was_too_early(
    store, chance, tmp_path
):
    """The clock steps meanwhile; rejected lines are kept, and can be read again later."""
    steps = [-3 * DAY, 2 * DAY, -DAY, 0, DAY]
    clock = iter([NOON + step for step in steps])
    files, expected, everything = [], set(), set()
    for number, step in enumerate(steps):
        views = [PageView("u", NOON + n * HOUR, f"/{number}") for n in range(-100, 100)]
        chance.shuffle(views)
        files.append(tmp_path / f"{number}.jsonl")
        files[-1].write_bytes(b"".join(map(line, views)))
        everything.update(views)
        expected |= {view for view in views if view.instant <= NOON + step + MAX_AHEAD}
    report = ingest(map(str, files), store, lambda: next(clock))
    assert keeps_its_promise(store.path, expected, expected) == expected
    assert report.rejected == {"invalid_timestamp": len(everything - expected)}
    assert store.rejected.totals().lines == len(everything - expected)
    ingest(map(str, files), store, lambda: NOON + 10 * DAY)
    assert keeps_its_promise(store.path, everything, everything) == everything

"""Messages that are sent again add only what is missing: after a crash, late, or by a wrong clock.

A message can be recognised if it has a timestamp or an id.
"""

import json
import os
import random
import signal
import sqlite3
import threading
import time
from contextlib import closing

import pytest

from behavstats.clock import system_clock
from behavstats.errors import UnknownUser
from behavstats.model.timestamps import HOUR, MINUTE, SECOND, format_instant, parse_instant
from behavstats.store import open_store
from tests.support.edge import batch, page, wait_until, worker_of

SIZE = 300


def a_batch(user, number):
    """Return a batch of many page views; no other batch has the same ones."""
    now = system_clock()
    messages = [
        page(f"/{number}/{n}", userId=user, timestamp=format_instant(now - n)) for n in range(SIZE)
    ]
    return batch(*messages)


def stored(db, user):
    """Return how many page views of each batch are stored."""
    counts = {}
    with open_store(db, lock_timeout=10) as store:
        try:
            for views in store.page_views(user):
                for view in views:
                    number = int(view.name.split("/")[1])
                    counts[number] = counts.get(number, 0) + 1
        except UnknownUser:
            pass
    return counts


def post_until_killed(server, user, sent, acknowledged):
    """Post batches until the server is killed; note each before it is sent and when answered."""
    while True:
        number = len(sent)
        sent.append(a_batch(user, number))
        try:
            status, _, _ = server.request("POST", "/v1/batch", sent[-1])
        except OSError:
            return
        assert status == 200
        acknowledged.append(number)


@pytest.mark.parametrize("seed", range(3))
def test_a_kill_at_any_instant_leaves_each_batch_whole_or_absent(serve, db, seed):
    """Acknowledged batches are stored. If all are sent again, only missing page views are added."""
    rng = random.Random(seed)
    users = ("a", "b", "c")
    server = serve()
    sent, acknowledged = {user: [] for user in users}, {user: [] for user in users}
    threads = [
        threading.Thread(
            target=post_until_killed, args=(server, user, sent[user], acknowledged[user])
        )
        for user in users
    ]
    for thread in threads:
        thread.start()
    enough = rng.randrange(2, 12)
    wait_until(lambda: sum(map(len, acknowledged.values())) >= enough)
    time.sleep(rng.random() * 0.02)
    for process in (worker_of(server), server.process.pid):
        os.kill(process, signal.SIGKILL)
    server.process.wait()
    server.process.stderr.close()
    for thread in threads:
        thread.join(timeout=30)
    for user in users:
        counts = stored(db, user)
        assert set(counts.values()) <= {SIZE}
        assert set(acknowledged[user]) <= set(counts) <= set(range(len(sent[user])))
    again = serve()
    for user in users:
        for body in sent[user]:
            assert again.request("POST", "/v1/batch", body)[0] == 200
    assert again.stop() == 0
    for user in users:
        assert stored(db, user) == dict.fromkeys(range(len(sent[user])), SIZE)


def instants_of(db, user):
    with open_store(db, lock_timeout=10) as store:
        return [view.instant for views in store.page_views(user) for view in views]


def shifted(milliseconds):
    """Return the time by a clock that is wrong by some milliseconds."""
    return format_instant(system_clock() + milliseconds)


@pytest.mark.parametrize("off", [-2 * HOUR, 30 * HOUR, 6 * MINUTE, -6 * MINUTE])
def test_a_clock_that_is_very_wrong_is_corrected(server, db, off):
    """The batch or each message has `sentAt`; the gaps between page views stay exact."""
    ages = [40 * SECOND, 30 * SECOND, 20 * SECOND + 1, 20 * SECOND]
    for user, is_within in (("by batch", False), ("by message", True)):
        sent_at = {"sentAt": shifted(off)}
        times = [format_instant(parse_instant(sent_at["sentAt"]) - age) for age in ages]
        messages = [
            page("/", userId=user, timestamp=time, **(sent_at if is_within else {}))
            for time in times
        ]
        before = system_clock()
        status, _, _ = server.request(
            "POST", "/v1/batch", batch(*messages, **({} if is_within else sent_at))
        )
        after = system_clock()
        assert status == 200
        instants = instants_of(db, user)
        assert before <= instants[0] + ages[0] <= after
        assert [instants[0] + ages[0] - instant for instant in instants] == ages


def test_a_clock_that_is_less_than_five_minutes_off_is_not_corrected(server, db):
    """Otherwise, the delay of the network would change the times and order of page views."""
    for number, off in enumerate((-4 * MINUTE, 0, 4 * MINUTE)):
        time = shifted(off - HOUR)
        body = batch(page("/", userId=f"u{number}", timestamp=time), sentAt=shifted(off))
        assert server.request("POST", "/v1/batch", body)[0] == 200
        assert instants_of(db, f"u{number}") == [parse_instant(time)]


def batches_sent_again(user):
    """Yield batches of the same messages, the last one with another `sentAt`."""
    timestamp = shifted(-3 * HOUR)
    messages = [
        page("/timed", userId=user, timestamp=timestamp, messageId="timed"),
        page("/original", userId=user, timestamp=None, originalTimestamp=timestamp),
        page("/untimed", userId=user, timestamp=None, messageId="untimed"),
    ]
    yield batch(*messages, sentAt=shifted(-2 * HOUR))
    yield batch(*messages, sentAt=shifted(-2 * HOUR))
    yield batch(*messages, sentAt=shifted(-2 * HOUR - 50))


def test_a_batch_by_a_wrong_clock_adds_nothing_when_it_is_sent_again(serve, db):
    """It has the same `sentAt` or another one, and the server may be restarted in between."""
    server = serve()
    bodies = [*batches_sent_again("u")]
    for body in (bodies[0], *bodies):
        assert server.request("POST", "/v1/batch", body)[0] == 200
    instants = instants_of(db, "u")
    assert len(instants) == 3
    assert server.stop() == 0
    server = serve()
    for body in bodies:
        assert server.request("POST", "/v1/batch", body)[0] == 200
    assert instants_of(db, "u") == instants
    assert server.stop() == 0


def test_a_message_without_any_time_counts_once_if_it_has_an_id(server, db):
    """Without an id, each message is another page view."""
    message = {"type": "page", "userId": "u", "name": "/", "messageId": "m"}
    for _ in range(3):
        assert server.request("POST", "/v1/p", json.dumps(message).encode())[0] == 200
    assert len(instants_of(db, "u")) == 1
    del message["messageId"]
    assert server.request("POST", "/v1/p", json.dumps(message).encode())[0] == 200
    assert len(instants_of(db, "u")) == 2


def test_an_unchanged_batch_that_is_sent_again_after_minutes_adds_nothing(server, db):
    """Its `sentAt` is old, as if the clock were wrong, but the page view is stored already."""
    timestamp = shifted(-HOUR)
    message = page("/", userId="u", timestamp=timestamp, messageId="m")
    assert server.request("POST", "/v1/batch", batch(message, sentAt=shifted(0)))[0] == 200
    assert server.request("POST", "/v1/batch", batch(message, sentAt=shifted(-HOUR)))[0] == 200
    assert instants_of(db, "u") == [parse_instant(timestamp)]


def test_an_erasure_also_deletes_arrival_keys(server, db):
    """If the messages are sent again, they are new."""
    body, *_ = batches_sent_again("u")
    assert server.request("POST", "/v1/batch", body)[0] == 200
    assert server.request("DELETE", "/v1/user/u")[0] == 200
    with closing(sqlite3.connect(db)) as connection:
        assert connection.execute("SELECT count(*) FROM dated_by_arrival").fetchone() == (0,)
    assert server.request("POST", "/v1/batch", body)[0] == 200
    assert len(instants_of(db, "u")) == 3

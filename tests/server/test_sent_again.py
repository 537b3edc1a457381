"""What is sent again adds only what is missing: after a crash, late, or by a wrong clock."""

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
    """A batch of many page views, of its own."""
    now = system_clock()
    messages = [
        page(f"/{number}/{n}", userId=user, timestamp=format_instant(now - n)) for n in range(SIZE)
    ]
    return batch(*messages)


def stored(db, user):
    """How many page views of each batch are stored."""
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


def post_until_it_is_gone(server, user, sent, acknowledged):
    """Post batches, noting each before it is sent and after it was answered."""
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
def test_killed_at_any_instant_each_batch_is_there_wholly_or_not_at_all(serve, db, seed):
    """All that was answered is there; sent again, each adds what is missing and nothing else."""
    rng = random.Random(seed)
    users = ("a", "b", "c")
    server = serve()
    sent, acknowledged = {user: [] for user in users}, {user: [] for user in users}
    threads = [
        threading.Thread(
            target=post_until_it_is_gone, args=(server, user, sent[user], acknowledged[user])
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
    """The time by a clock that is so far off."""
    return format_instant(system_clock() + milliseconds)


@pytest.mark.parametrize("off", [-2 * HOUR, 30 * HOUR, 6 * MINUTE, -6 * MINUTE])
def test_a_clock_that_is_plainly_wrong_is_corrected_and_the_order_kept(server, db, off):
    """Be it told by the batch or by each message; the gaps between page views stay exact."""
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


def test_a_clock_that_is_less_than_five_minutes_off_is_believed(server, db):
    """Else the network's delay would change times, and the order of page views."""
    for number, off in enumerate((-4 * MINUTE, 0, 4 * MINUTE)):
        time = shifted(off - HOUR)
        body = batch(page("/", userId=f"u{number}", timestamp=time), sentAt=shifted(off))
        assert server.request("POST", "/v1/batch", body)[0] == 200
        assert instants_of(db, f"u{number}") == [parse_instant(time)]


def batches_sent_again(user):
    """The same messages in batches that differ in when they were sent, if that is told."""
    told = {"timestamp": shifted(-3 * HOUR), "messageId": "told"}
    messages = [
        page("/told", userId=user, **told),
        page("/original", userId=user, timestamp=None, originalTimestamp=told["timestamp"]),
        page("/untold", userId=user, timestamp=None, messageId="untold"),
    ]
    yield batch(*messages, sentAt=shifted(-2 * HOUR))
    yield batch(*messages, sentAt=shifted(-2 * HOUR))
    yield batch(*messages, sentAt=shifted(-2 * HOUR - 50))


def test_a_batch_by_a_wrong_clock_adds_nothing_when_it_comes_again(serve, db):
    """With the same sentAt or another one, to the same server or one that was started anew."""
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


def test_a_single_message_without_any_time_adds_one_page_view_however_often_it_comes(server, db):
    """It is told by its id; without one, each is another."""
    message = {"type": "page", "userId": "u", "name": "/", "messageId": "m"}
    for _ in range(3):
        assert server.request("POST", "/v1/p", json.dumps(message).encode())[0] == 200
    assert len(instants_of(db, "u")) == 1
    del message["messageId"]
    assert server.request("POST", "/v1/p", json.dumps(message).encode())[0] == 200
    assert len(instants_of(db, "u")) == 2


def test_a_batch_that_comes_again_after_minutes_as_it_was_adds_nothing(server, db):
    """Its sentAt is old by then, as if its clock were wrong; the page view is there already."""
    told = shifted(-HOUR)
    message = page("/", userId="u", timestamp=told, messageId="m")
    assert server.request("POST", "/v1/batch", batch(message, sentAt=shifted(0)))[0] == 200
    assert server.request("POST", "/v1/batch", batch(message, sentAt=shifted(-HOUR)))[0] == 200
    assert instants_of(db, "u") == [parse_instant(told)]


def test_a_forgotten_user_leaves_no_message_behind(server, db):
    """What is remembered of messages goes as well; sent again, they are new."""
    body, *_ = batches_sent_again("u")
    assert server.request("POST", "/v1/batch", body)[0] == 200
    assert server.request("DELETE", "/v1/user/u")[0] == 200
    with closing(sqlite3.connect(db)) as connection:
        assert connection.execute("SELECT count(*) FROM dated_by_arrival").fetchone() == (0,)
    assert server.request("POST", "/v1/batch", body)[0] == 200
    assert len(instants_of(db, "u")) == 3

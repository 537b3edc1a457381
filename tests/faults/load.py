"""A load of posts by clients that note acknowledgements, and repeat what did not succeed."""

import http.client
import itertools
import json
import random
import threading
import time

from behavstats.model.page_view import PageView
from behavstats.model.timestamps import format_instant
from tests.conftest import user_path
from tests.faults.waiting import wait_until
from tests.support.histories import AS_OF

REFUSED = {429, 503}
"""Statuses that mean "not now". Every other status that is not a success is a fault."""

USERS = [f"user{number}" for number in range(7)]


class Load:
    """Clients on one port, each with a connection that it keeps; to be used in `with`.

    The ledger says what they sent, and what was acknowledged. Where the server does not answer, or
    says that it cannot now, the same is sent again until it can, or until the load ends.
    """

    def __init__(self, port, chance, ledger, clients=6, leavers=0):
        self.port = port
        self.ledger = ledger
        self.statuses = {}
        self.faults = []
        self._name = chance.randrange(10**9)
        self._ends = threading.Event()
        kinds = [self._post_for_ever] * clients + [self._come_and_go] * leavers
        self._threads = [
            threading.Thread(target=self._run, args=(kind, random.Random(chance.random()), number))
            for number, kind in enumerate(kinds)
        ]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._ends.set()
        for thread in self._threads:
            thread.join(timeout=120)
            assert not thread.is_alive(), "a client hangs"
        assert self.faults == []

    def wait_for(self, count):
        """Wait until so many page views more were acknowledged."""
        self._wait_until_more(lambda: len(self.ledger.acknowledged), count)

    def wait_for_refusals(self, count):
        """Wait until so many more requests got an answer that means "not now"."""
        self._wait_until_more(lambda: self.statuses.get(503, 0), count)

    def _wait_until_more(self, number, more):
        enough = number() + more
        wait_until(lambda: number() >= enough or self.faults, f"{more} more")

    def _run(self, kind, chance, number):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            kind(connection, chance, number)
        except Exception as error:  # an assertion in a thread would be lost
            self.faults.append(repr(error))
        finally:
            connection.close()

    def _post_for_ever(self, connection, chance, number):
        """Post page views of users whom all clients share, alone and in batches; some again."""
        for count in itertools.count():
            if self._ends.is_set():
                return
            if chance.random() < 0.6:
                self._post_one(connection, self._view(chance, chance.choice(USERS), number))
            elif chance.random() < 0.7:
                mark = f"{self._name}/{number}/{count}"
                users = chance.choices(USERS, k=chance.randrange(2, 30))
                batch = {self._view(chance, user, mark) for user in users}
                for _ in range(chance.choice([1, 1, 1, 2])):
                    self._post_batch(connection, batch)
            else:
                name = f"/undated/{self._name}/{number}/{count}"
                for _ in range(chance.choice([1, 2])):
                    self._post_undated(connection, chance.choice(USERS[:1]), name)

    def _post_one(self, connection, view):
        self.ledger.sent.add(view)
        is_there = self._insist(connection, "POST", "/v1/page", event(view))
        if is_there:
            self.ledger.acknowledged.add(view)
        return is_there

    def _post_batch(self, connection, views):
        self.ledger.sent.update(views)
        self.ledger.batches.append(views)
        body = {"batch": [event(view) for view in views]}
        if self._insist(connection, "POST", "/v1/batch", body):
            self.ledger.acknowledged.update(views)

    def _post_undated(self, connection, user, name):
        """Post a message without a time, as a Segment client may: it has that of its arrival."""
        self.ledger.sent_undated.add(name)
        message = {"type": "page", "userId": user, "name": name, "messageId": name}
        if self._insist(connection, "POST", "/v1/batch", {"batch": [message]}):
            self.ledger.acknowledged_undated.add(name)

    def _come_and_go(self, connection, chance, number):
        """Post page views of a user, and have the user erased, again and again."""
        for count in itertools.count():
            if self._ends.is_set():
                return
            user = f"leaver-{count}-of-{self._name}"
            views = [self._view(chance, user, number) for _ in range(chance.randrange(1, 4))]
            if not all(self._post_one(connection, view) for view in views):
                return
            self.ledger.leaving.add(user)
            if self._insist(connection, "DELETE", user_path(user)):
                self.ledger.gone.add(user)

    def _view(self, chance, user, mark):
        """Return a page view of one hour, so that users come to have summaries."""
        instant = AS_OF - chance.randrange(3_600_000)
        return PageView(user, instant, f"/{mark}/{chance.randrange(9)}")

    def _insist(self, connection, method, path, body=None):
        """Make a request until it succeeds; return whether it did before the load ends."""
        data = None if body is None else json.dumps(body).encode()
        was_asked = False
        while not (self._ends.is_set() and was_asked):
            try:
                connection.request(method, path, data)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                was_asked = True
                time.sleep(0.01)  # no server listens: not too fast
                continue
            self.statuses[answer.status] = self.statuses.get(answer.status, 0) + 1
            # Erased by a request whose answer never came, a user is unknown to the next.
            if answer.status == 200 or (was_asked and method == "DELETE" and answer.status == 404):
                return True
            assert answer.status in REFUSED, (answer.status, method, path)
            assert answer.headers["Retry-After"], "a refusal does not say when to try again"
            was_asked = True
        return False


def event(view):
    """Return a page view as it is sent."""
    timestamp = format_instant(view.instant)
    return {"user_id": view.user_id, "name": view.name, "timestamp": timestamp}

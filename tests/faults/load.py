"""A load of posts by clients that note each acknowledgement, and give up on nothing they sent."""

import http.client
import json
import random
import threading
import time

from behavstats.events import PageView
from behavstats.instants import format_instant
from tests.conftest import user_path
from tests.faults.waiting import wait_until
from tests.histories import AS_OF

REFUSED = {429, 503}
"""Answers that say: not now. Whatever else is no success is a fault."""

USERS = [f"user{number}" for number in range(7)]


class Load:
    """Clients on one port, each with a connection that it keeps; to be used in `with`.

    `sent` is what may be stored, `acknowledged` what has to be. Whoever was sent to be erased is in
    `leaving`; whoever was acknowledged as erased, in `gone`. Where the server does not answer, the
    same is sent again until it does, or until the load ends.
    """

    def __init__(self, port, chance, clients=6, leavers=0):
        self.port = port
        self.sent, self.acknowledged = set(), set()
        self.leaving, self.gone = set(), set()
        self.statuses = {}
        self.faults = []
        self._name = str(chance.randrange(10**9))
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
            thread.join(timeout=60)
            assert not thread.is_alive(), "a client hangs"
        assert self.faults == []

    def wait_for(self, count):
        """Wait until so many page views more were acknowledged."""
        enough = len(self.acknowledged) + count
        wait_until(lambda: len(self.acknowledged) >= enough or self.faults, "posts go on")

    def _run(self, kind, chance, number):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            kind(connection, chance, number)
        except Exception as error:  # an assertion in a thread would be lost
            self.faults.append(repr(error))
        finally:
            connection.close()

    def _post_for_ever(self, connection, chance, number):
        """Post page views of users whom all clients share; a tenth of them twice."""
        view = None
        while not self._ends.is_set():
            if view is None or chance.random() > 0.1:
                view = self._view(chance, chance.choice(USERS), number)
            if self._insist(connection, "POST", "/v1/page", view):
                self.acknowledged.add(view)

    def _come_and_go(self, connection, chance, number):
        """Post page views of a user, and have the user erased, again and again."""
        count = 0
        while not self._ends.is_set():
            user = f"leaver-{count}-of-{self._name}"
            views = [self._view(chance, user, number) for _ in range(chance.randrange(1, 4))]
            if not all(self._insist(connection, "POST", "/v1/page", view) for view in views):
                return
            self.leaving.add(user)
            if self._insist(connection, "DELETE", user_path(user), gone_is_fine=True):
                self.gone.add(user)
            count += 1

    def _view(self, chance, user, number):
        """Return a page view of one hour, so that users come to have summaries."""
        return PageView(
            user, AS_OF - chance.randrange(3_600_000), f"/{number}/{chance.randrange(9)}"
        )

    def _insist(self, connection, method, path, view=None, gone_is_fine=False):
        """Make a request until it succeeds; return whether it did before the load ends."""
        body = None
        if view is not None:
            self.sent.add(view)
            event = {"user_id": view.user_id, "name": view.name}
            body = json.dumps(event | {"timestamp": format_instant(view.instant)}).encode()
        asked_before = False
        while not (self._ends.is_set() and asked_before):
            try:
                connection.request(method, path, body)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                asked_before = True
                time.sleep(0.01)  # nobody listens: not too fast
                continue
            self.statuses[answer.status] = self.statuses.get(answer.status, 0) + 1
            # Erased by a request whose answer never came, a user is unknown to the next.
            if answer.status == 200 or (gone_is_fine and asked_before and answer.status == 404):
                return True
            assert answer.status in REFUSED, (answer.status, method, path)
            assert answer.headers["Retry-After"], "a refusal does not say when to try again"
            asked_before = True
        return False

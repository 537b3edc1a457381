"""Hundreds of connections, slow clients, restarts under load: in the end, the totals are right."""

import signal

import pytest

from behavstats.model.page_view import PageView
from behavstats.model.timestamps import DAY
from tests.faults.crowd import Crowd
from tests.faults.load import REFUSED
from tests.faults.promise import agrees_with_the_oracle, keeps_its_promise
from tests.support.histories import AS_OF

CLIENTS = 300
PAGE_VIEWS = 24  # of each


def shares(chance):
    """Return the page views of each client; clients share users, but no page view."""
    numbers = iter(range(CLIENTS * PAGE_VIEWS))
    for client in range(CLIENTS):
        views = [
            PageView(f"user{chance.randrange(20)}", AS_OF - next(numbers) * 83, f"/{client % 9}")
            for _ in range(PAGE_VIEWS)
        ]
        requests = []
        while views:
            size = chance.choice([1, 1, 1, 5])
            requests.append(views[:size])
            del views[:size]
        yield requests


@pytest.mark.parametrize("how", ["never", "SIGTERM", "SIGINT", "SIGKILL"])
def test_of_hundreds_of_connections_with_slow_ones_all_page_views_are_there_once(
    db, start_server, chance, how
):
    """Whether the server is started again under load or not, and however it was ended.

    Each client posts until it was acknowledged, again what it does not know to be there.
    """
    requests = [*shares(chance)]
    views = {view for client in requests for views in client for view in views}
    server = start_server()
    with Crowd(server.port, chance, requests) as crowd:
        for _ in range(0 if how == "never" else 4):
            crowd.wait_for(chance.randrange(200, 800))
            if how == "SIGKILL":
                server.kill("all")
            else:
                assert server.stop(getattr(signal, how)) == 0
            server = start_server()
    assert server.stop() == 0
    if how == "never":
        # A disk that is slow for seconds makes it ask some to come again.
        assert crowd.answers.keys() - REFUSED == {200}
    assert crowd.answers[200] == sum(map(len, requests))
    assert keeps_its_promise(db, views, views) == views
    agrees_with_the_oracle(db, views, [AS_OF, AS_OF - 3 * DAY])

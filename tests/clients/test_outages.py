"""Outages: clients try again, and no page view is lost or counted twice."""

import pytest

from behavstats.store.sqlite.lock import StoreLock
from tests.clients.processes import IN_NODE, IN_PYTHON, Server, wait_until

# Without "rudder-js-beacon": a beacon is sent only once.
CLIENTS = (*IN_PYTHON, *IN_NODE, "analytics-next", "analytics-next-batching", "rudder-js")

pytestmark = pytest.mark.parametrize("client", CLIENTS, indirect=True)


@pytest.fixture
def server(db):
    """A server for a single test."""
    server = Server(db)
    yield server
    server.end()


def send(client, views):
    """Send page views with times, and as many without: duplicates of these would differ in time."""
    client.view(*views)
    for view in views:
        client.call("page", userId="u", name=f"undated {view.name}")


def check_that_each_is_stored_once(server, views):
    stored = server.page_views("u")
    undated = [view for view in stored if view.name.startswith("undated")]
    assert [view for view in stored if view not in undated] == views
    assert sorted(view.name for view in undated) == sorted(f"undated {view.name}" for view in views)


def test_nothing_is_lost_or_doubled_when_the_server_is_stopped_and_started(server, client, visits):
    """It is stopped while the client sends, and started again on the same port."""
    views = visits("u", 30)
    client.sign_in("u")
    send(client, views[:10])
    wait_until(lambda: server.knows("u"), "the client sends")
    send(client, views[10:20])
    server.stop()
    send(client, views[20:25])
    client.wait_until_it_fails()
    server.start()
    send(client, views[25:])
    client.finish()
    check_that_each_is_stored_once(server, views)


def test_nothing_is_lost_or_doubled_while_the_server_answers_503(server, client, visits):
    """It does so while another process holds the store for longer than the lock timeout."""
    views = visits("u", 30)
    client.sign_in("u")
    send(client, views[:10])
    wait_until(lambda: server.knows("u"), "the client sends")
    with StoreLock(server.db, lock_timeout=5).held():
        send(client, views[10:20])
        client.wait_until_it_fails("503")
        send(client, views[20:25])
    send(client, views[25:])
    client.finish()
    check_that_each_is_stored_once(server, views)

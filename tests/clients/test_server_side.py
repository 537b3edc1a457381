"""Clients in programs that run on servers: their calls are stored exactly."""

import pytest

from behavstats.clock import system_clock
from behavstats.model.page_view import PageView
from behavstats.model.timestamps import format_instant
from tests.clients.processes import IN_NODE, IN_PYTHON

pytestmark = pytest.mark.parametrize("client", IN_PYTHON + IN_NODE, indirect=True)


def test_every_page_view_is_stored_once_with_its_user_name_and_time(server, client, user, visits):
    """The time is that of the caller, to the millisecond."""
    ours, theirs = visits(user, 30), visits(f"{user}/ü 😀", 12)
    client.view(*ours, *theirs)
    client.finish()
    assert not client.failures()
    assert server.page_views(user) == ours
    assert server.page_views(f"{user}/ü 😀") == theirs
    assert server.profile(user)["number_pages_viewed_in_the_last_7_days"] == 30


def test_a_page_view_without_a_time_has_the_time_of_the_call(server, client, user):
    """It does not have the time of its arrival."""
    before = system_clock()
    client.call("page", userId=user, name="/now")
    client.finish()
    (view,) = server.page_views(user)
    assert view == PageView(user, view.instant, "/now")
    assert before <= view.instant <= system_clock()


def test_the_page_has_its_name_or_else_one_from_its_properties(server, client, user, visits):
    """A category precedes the name. Of the properties, the title counts, then path, then URL."""
    time = [{"timestamp": format_instant(view.instant)} for view in visits(user, 5)]
    client.call("page", userId=user, category="Docs", name="Install", **time[0])
    client.call("page", userId=user, category="Docs", properties={"title": "Start"}, **time[1])
    client.call("page", userId=user, properties={"title": "Home", "path": "/"}, **time[2])
    client.call("page", userId=user, properties={"path": "/cart", "url": "http://x/y"}, **time[3])
    client.call("page", userId=user, properties={"url": "http://x/a/b?c=d#e"}, **time[4])
    client.finish()
    names = [view.name for view in server.page_views(user)]
    assert names == ["Docs: Install", "Start", "Home", "/cart", "/a/b"]


def test_without_a_user_id_the_anonymous_id_counts(server, client, user):
    """If both are given, the user id counts."""
    client.call("page", anonymousId=f"anonymous {user}", name="/landing")
    client.call("page", anonymousId=f"anonymous {user}", userId=user, name="/account")
    client.finish()
    assert [view.name for view in server.page_views(f"anonymous {user}")] == ["/landing"]
    assert [view.name for view in server.page_views(user)] == ["/account"]


def test_calls_that_are_not_page_views_are_acknowledged_and_not_stored(server, client, user):
    """The clients do not repeat them; the page view among them is stored."""
    client.call("identify", userId=user, traits={"plan": "pro"})
    client.call("track", userId=user, event="Bought", properties={"price": 12.5})
    client.call("page", userId=user, name="/thanks")
    client.call("group", userId=user, groupId="g", traits={"size": 3})
    client.call("alias", userId=user, previousId=f"anonymous {user}")
    client.finish()
    assert not client.failures()
    assert [view.name for view in server.page_views(user)] == ["/thanks"]
    assert not server.knows(f"anonymous {user}")


def test_the_largest_batches_of_clients_are_accepted(server, client, user, visits):
    """Those of RudderStack's clients have some megabytes."""
    views = visits(user, 80)
    for view in views:
        client.call(
            "page",
            userId=user,
            name=view.name,
            timestamp=format_instant(view.instant),
            properties={"notes": "n" * 30_000},
        )
    client.finish()
    assert not client.failures()
    assert server.page_views(user) == views

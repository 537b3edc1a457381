"""Clients in programs that run on servers: what they send is stored exactly as it was called."""

import pytest

from behavstats.clock import system_clock
from behavstats.model.page_view import PageView
from behavstats.model.timestamps import format_instant
from tests.clients.processes import IN_NODE, IN_PYTHON

pytestmark = pytest.mark.parametrize("client", IN_PYTHON + IN_NODE, indirect=True)


def test_every_page_view_is_stored_once_with_its_user_name_and_time(server, client, user, visits):
    """The time to the millisecond, as the caller gave it."""
    ours, theirs = visits(user, 30), visits(f"{user}/ü 😀", 12)
    client.view(*ours, *theirs)
    client.finish()
    assert not client.failures()
    assert server.page_views(user) == ours
    assert server.page_views(f"{user}/ü 😀") == theirs
    assert server.profile(user)["number_pages_viewed_in_the_last_7_days"] == 30


def test_a_page_view_without_a_time_is_dated_when_it_was_called(server, client, user):
    """Not when it came."""
    before = system_clock()
    client.call("page", userId=user, name="/now")
    client.finish()
    (view,) = server.page_views(user)
    assert view == PageView(user, view.instant, "/now")
    assert before <= view.instant <= system_clock()


def test_the_page_is_told_by_its_name_or_else_by_its_properties(server, client, user, visits):
    """A name stands after its category; a title before a path; the path of a URL comes last."""
    time = [{"timestamp": format_instant(view.instant)} for view in visits(user, 5)]
    client.call("page", userId=user, category="Docs", name="Install", **time[0])
    client.call("page", userId=user, category="Docs", properties={"title": "Start"}, **time[1])
    client.call("page", userId=user, properties={"title": "Home", "path": "/"}, **time[2])
    client.call("page", userId=user, properties={"path": "/cart", "url": "http://x/y"}, **time[3])
    client.call("page", userId=user, properties={"url": "http://x/a/b?c=d#e"}, **time[4])
    client.finish()
    names = [view.name for view in server.page_views(user)]
    assert names == ["Docs: Install", "Start", "Home", "/cart", "/a/b"]


def test_a_user_who_is_not_known_is_the_anonymous_one(server, client, user):
    """And where both are given, it is the known one."""
    client.call("page", anonymousId=f"anonymous {user}", name="/landing")
    client.call("page", anonymousId=f"anonymous {user}", userId=user, name="/account")
    client.finish()
    assert [view.name for view in server.page_views(f"anonymous {user}")] == ["/landing"]
    assert [view.name for view in server.page_views(user)] == ["/account"]


def test_calls_that_are_no_page_views_are_acknowledged_and_not_stored(server, client, user):
    """The clients take them for done; the page view among them is stored."""
    client.call("identify", userId=user, traits={"plan": "pro"})
    client.call("track", userId=user, event="Bought", properties={"price": 12.5})
    client.call("page", userId=user, name="/thanks")
    client.call("group", userId=user, groupId="g", traits={"size": 3})
    client.call("alias", userId=user, previousId=f"anonymous {user}")
    client.finish()
    assert not client.failures()
    assert [view.name for view in server.page_views(user)] == ["/thanks"]
    assert not server.knows(f"anonymous {user}")


def test_batches_as_large_as_clients_make_them_are_taken(server, client, user, visits):
    """RudderStack's come to megabytes."""
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

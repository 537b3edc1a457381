"""Clients in headless Chromium, on a page of another origin than the server's."""

import pytest

from behavstats.clock import system_clock
from behavstats.model.page_view import PageView
from behavstats.model.timestamps import format_instant
from tests.clients.processes import IN_BROWSERS

pytestmark = pytest.mark.parametrize("client", IN_BROWSERS, indirect=True)


def names_of(views):
    return [view.name for view in views]


def test_opened_pages_are_stored_with_title_or_path_and_visitor(server, client, user):
    """The snippet calls `page()` without arguments; after signing in, the user is known."""
    before = system_clock()
    client.call("open", path="/welcome?title=Welcome")
    client.call("open", path="/untitled?q=1")
    client.call("identify", userId=user, traits={"plan": "pro"})
    client.call("open", path="/account?title=Account")
    visitor = client.finish()
    views = server.page_views(visitor) + server.page_views(user)
    assert names_of(views) == ["Welcome", "/untitled", "Account"]
    times = [view.instant for view in views]
    assert times == sorted(times)
    assert before <= times[0] < times[-1] <= system_clock()
    assert server.profile(user)["number_pages_viewed_in_the_last_7_days"] == 1


def test_every_page_view_is_stored_once_with_its_user_name_and_time(server, client, user, visits):
    """The site changes pages without loading them, and sends their names and times."""
    *views, last = visits(user, 12)
    client.sign_in(user)
    client.view(*views)
    client.call("page", category="Docs", name="Install", timestamp=format_instant(last.instant))
    client.finish()
    assert server.page_views(user) == [*views, PageView(user, last.instant, "Docs: Install")]


def test_calls_that_are_not_page_views_are_acknowledged_and_not_stored(server, client, user):
    """The clients do not repeat them; the page views among them are stored."""
    client.sign_in(user)
    client.call("track", event="Bought", properties={"price": 12.5})
    client.call("page", name="/thanks")
    client.call("group", groupId="g", traits={"size": 3})
    client.call("alias", userId=user, previousId=f"anonymous {user}")
    visitor = client.finish()
    assert not client.failures()
    assert names_of(server.page_views(user)) == ["/thanks"]
    assert names_of(server.page_views(visitor)) == ["/"]
    assert not server.knows(f"anonymous {user}")

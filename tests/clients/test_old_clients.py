"""The first clients for Node: they accept a number as an id, and send it as a number."""

import pytest

from behavstats.model.timestamps import format_instant
from tests.clients.processes import IN_OLD_NODE

pytestmark = pytest.mark.parametrize("client", IN_OLD_NODE, indirect=True)


@pytest.mark.parametrize("key", ["userId", "anonymousId"])
def test_a_numeric_id_is_the_text_of_its_digits(server, client, visits, key, request):
    """Segment does the same. Each test has an id of its own."""
    number = 42_000 + sum(request.node.name.encode())
    views = visits(str(number), 12)
    for view in views:
        client.call("page", name=view.name, timestamp=format_instant(view.instant), **{key: number})
    client.finish()
    assert not client.failures()
    assert server.page_views(str(number)) == views

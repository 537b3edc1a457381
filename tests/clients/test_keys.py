"""Keys as the clients send them: in a header, in the body, or in both."""

import pytest

from tests.clients.processes import IN_NODE, IN_PYTHON


@pytest.mark.parametrize("name", IN_PYTHON + IN_NODE)
def test_a_client_with_a_wrong_key_gives_up(server, start_client, user, name):
    """It reports an error at once, instead of trying again and again."""
    client = start_client(name, key="not-the-key-of-the-server")
    client.call("page", userId=user, name="/")
    assert client.exit_code() == 1
    assert len(client.failures()) <= 1
    assert not server.knows(user)

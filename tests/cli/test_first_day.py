"""A walk through the commands, as README shows them."""

import json
import re

from tests.cli.conftest import AT, LINES, PROFILE, counts, one_line
from tests.conftest import files_of


def test_the_commands_of_a_first_day(cli, db):
    """Ingest, profile, export into another store, forget: as README shows them."""
    done = cli("ingest", "-", stdin=LINES)
    assert (done.returncode, done.stderr) == (0, b"")
    assert counts(done) == {"read": 2, "added": 2, "duplicates": 0, "rejected": 0}
    done = cli("profile", "ada-l", "--json", *AT)
    assert (done.returncode, done.stdout.decode(), done.stderr) == (0, PROFILE, b"")
    table = cli("profile", "ada-l", *AT).stdout.decode()
    assert "│ most_viewed_page_in_last_7_days        │ /café" in table
    assert "\x1b" not in table
    exported = cli("export", "ada-l")
    assert [json.loads(one) for one in exported.stdout.splitlines()] == [
        {"user_id": "ada-l", "name": "/", "timestamp": "2024-03-01T10:29:00.000Z"},
        {"user_id": "ada-l", "name": "/café", "timestamp": "2024-03-01T10:30:00.000Z"},
    ]
    again = cli("ingest", "-", stdin=exported.stdout)
    assert counts(again) == {"read": 2, "added": 0, "duplicates": 2, "rejected": 0}
    done = cli("forget", "ada-l")
    assert done.returncode == 0
    assert re.search(r"│ page views +│ +2 │", done.stdout.decode())
    assert not any(b"ada-l" in data for data in files_of(db).values())
    for command in ("profile", "export", "forget"):
        done = cli(command, "ada-l")
        assert (done.returncode, done.stdout) == (1, b"")
        assert one_line(done) == "unknown user 'ada-l': the store holds no page views of this user"

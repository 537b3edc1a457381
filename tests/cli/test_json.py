"""`--json`: standard output holds JSON alone, on one line, whatever happens."""

import json
import sqlite3
from contextlib import closing

from tests.cli.conftest import AT, LINES, one_line
from tests.conftest import user_path


def parsed(done):
    """The one value on standard output."""
    assert done.stdout.count(b"\n") == 1
    return json.loads(done.stdout)


def test_the_detail_of_a_profile_is_what_the_api_answers(cli, server):
    """Byte for byte."""
    cli("ingest", "-", stdin=LINES)
    done = cli("profile", "ada-l", "--detail", "--json", *AT)
    assert (done.returncode, done.stderr) == (0, b"")
    query = f"?as_of={AT[1]}&detail=true"
    assert parsed(done) == server.request("GET", user_path("ada-l") + query)[2]
    assert list(parsed(done))[-2:] == ["first_view", "last_view"]


def test_a_receipt(cli):
    """What was erased of whom; of an unknown user, nothing is on standard output."""
    cli("ingest", "-", stdin=LINES)
    done = cli("forget", "ada-l", "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    expected = {"user_id": "ada-l", "page_views": 2, "page_names": 2, "rejected_lines": 0}
    assert parsed(done) == expected
    done = cli("forget", "ada-l", "--json")
    assert (done.returncode, done.stdout) == (1, b"")
    assert one_line(done)


def test_a_check(cli, db):
    """Whether the store is sound, what is wrong, and whether that was repaired."""
    cli("ingest", "-", stdin=LINES)
    sound = {"sound": True, "repaired": False, "difference_count": 0, "differences": []}
    counts = {"page_views": 2, "summaries": 0}
    done = cli("check", "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    assert parsed(done) == sound | counts
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute("INSERT INTO summary VALUES (1, 60000, 0, 0, 0, 0, 0, 0, x'')")
    done = cli("check", "--json")
    assert done.returncode == 3
    assert one_line(done).startswith("1 difference found; to rebuild the rollups: ")
    assert parsed(done) == {
        "sound": False,
        "repaired": False,
        "difference_count": 1,
        "differences": ["summary of user 1, span 60000, start 0: is of no hour or day"],
        "page_views": None,
        "summaries": None,
    }
    done = cli("check", "--repair", "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    assert parsed(done) == sound | counts | {"repaired": True}


def test_statistics(cli, db):
    """Instants are RFC 3339, the size is in bytes."""
    cli("ingest", "-", stdin=LINES + b"{\n")
    done = cli("stats", "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    found = parsed(done)
    assert found.pop("size") >= db.stat().st_size
    assert found == {
        "users": 1,
        "page_views": 2,
        "oldest": "2024-03-01T10:29:00.000Z",
        "newest": "2024-03-01T10:30:00.000Z",
        "top_pages": [{"name": "/", "views": 1}, {"name": "/café", "views": 1}],
        "rejected_lines": 1,
    }

"""`--json`: standard output holds one line of JSON and nothing else."""

import json
import sqlite3
from contextlib import closing

from tests.cli.conftest import AT, LINES, one_line
from tests.conftest import user_path


def parsed(done):
    """Return the only value on standard output."""
    assert done.stdout.count(b"\n") == 1
    return json.loads(done.stdout)


def test_a_detailed_profile_is_what_the_api_returns(cli, server):
    """Byte for byte."""
    cli("ingest", "-", stdin=LINES)
    done = cli("profile", "ada-l", "--detail", "--json", *AT)
    assert (done.returncode, done.stderr) == (0, b"")
    query = f"?as_of={AT[1]}&detail=true"
    assert parsed(done) == server.request("GET", user_path("ada-l") + query)[2]
    assert list(parsed(done))[-2:] == ["first_view", "last_view"]


def test_forget_prints_a_receipt(cli):
    """It says what was erased. For an unknown user, standard output stays empty."""
    cli("ingest", "-", stdin=LINES)
    done = cli("forget", "ada-l", "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    expected = {"user_id": "ada-l", "page_views": 2, "page_names": 2, "rejected_lines": 0}
    assert parsed(done) == expected
    done = cli("forget", "ada-l", "--json")
    assert (done.returncode, done.stdout) == (1, b"")
    assert one_line(done)


def test_check_prints_whether_the_store_is_sound(cli, db):
    """With the differences, and whether they were repaired."""
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
        "differences": ["summary of user 1, span 60000, start 0: is not of an hour or a day"],
        "page_views": None,
        "summaries": None,
    }
    done = cli("check", "--repair", "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    assert parsed(done) == sound | counts | {"repaired": True}


def test_stats_prints_counts(cli, db):
    """Timestamps are RFC 3339, and the size is in bytes."""
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

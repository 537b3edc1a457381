"""With real page views, the profile of every user at three instants equals that of the oracle."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from behavstats.cli import app
from tests.conftest import user_path
from tests.support import oracle

DATA = Path(__file__).parents[3] / "shared" / "data" / "semicomplete-2015-05.jsonl"
AS_OFS = ("2015-05-18T12:00:00Z", "2015-05-20T21:05:00Z", "2015-05-25T00:00:00Z")

pytestmark = pytest.mark.skipif(
    not DATA.exists(), reason="the real page views are not beside this checkout"
)


@pytest.fixture
def views(cli):
    """The page views in the form for the oracle; the command line has ingested them."""
    done = cli("ingest", str(DATA))
    assert (done.returncode, done.stderr) == (0, b"")
    events = [json.loads(line) for line in DATA.read_bytes().splitlines()]
    return [
        (event["user_id"], oracle.instant(event["timestamp"]), event["name"]) for event in events
    ]


@pytest.fixture
def expected(views):
    users = sorted({user_id for user_id, _, _ in views})
    assert len(users) > 600
    return {
        (user_id, as_of): oracle.profile(views, user_id, oracle.instant(as_of))
        for user_id in users
        for as_of in AS_OFS
    }


def test_every_profile_over_http_equals_that_of_the_oracle(expected, serve):
    """With its keys in order."""
    server = serve()
    for (user_id, as_of), profile in expected.items():
        status, _, body = server.request("GET", f"{user_path(user_id)}?as_of={as_of}")
        assert status == 200
        assert list(body.items()) == list(profile.items())


def test_profiles_of_the_command_line_equal_those_of_the_oracle(expected, db):
    """Runs `behavstats profile USER --json` in this process for every third profile."""
    runner = CliRunner(env={"BEHAVSTATS_DB": str(db)})
    for (user_id, as_of), profile in [*expected.items()][::3]:
        done = runner.invoke(app, ["profile", user_id, "--json", "--as-of", as_of])
        assert (done.exit_code, done.stderr) == (0, "")
        assert list(json.loads(done.stdout).items()) == list(profile.items())

"""The page that shows the contract, in headless Chromium."""

import json
import subprocess

import pytest

from behavstats.server.routes import ROUTES
from tests.clients.processes import SECRET_KEY, driver, environment


@pytest.fixture(scope="module")
def saw(server):
    """What a reader of the page saw, who tried a route out."""
    done = subprocess.run(
        ["node", driver("docs.cjs"), server.address, SECRET_KEY],
        env=environment(),
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def test_every_operation_is_on_the_page(saw):
    """By its method and path."""
    assert sorted(saw["operations"]) == sorted(f"{route.method} {route.path}" for route in ROUTES)
    assert '"019mr8mf4r"' in saw["example"]


def test_nothing_is_asked_of_another_host(saw, server):
    """The page, its files, the document, and what was tried out."""
    asked = {url for url in saw["requests"] if not url.startswith("data:")}
    assert asked == {
        f"{server.address}/{path}"
        for path in (
            "",
            "docs",
            "docs/swagger-ui.css",
            "docs/swagger-ui-bundle.js",
            "docs/start.js",
            "openapi.json",
            "v1/page",
            "v1/user/019mr8mf4r?days=7&detail=false",
        )
    }


def test_the_browser_has_nothing_to_complain_about(saw):
    """Above all, nothing that the page's own policy forbids it."""
    assert saw["complaints"] == []


def test_what_is_tried_out_with_a_key_shows_in_the_profile(saw):
    """From the page itself, as from any program, and with nothing but what it fills in."""
    assert saw["posted"]["status"].split()[0] == "200"
    assert saw["profile"]["status"].split()[0] == "200"
    assert '"number_pages_viewed_in_the_last_7_days": 1' in saw["profile"]["answer"]


def test_the_profile_comes_first_and_aliases_are_folded_up_at_the_end(saw):
    """They are the same by other paths."""
    assert (saw["headings"][0], saw["headings"][-1]) == ("Profiles", "Aliases")

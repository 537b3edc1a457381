"""The documentation page, in headless Chromium."""

import json
import subprocess

import pytest

from behavstats.server.routes import ROUTES
from tests.clients.processes import SECRET_KEY, driver, environment


@pytest.fixture(scope="module")
def saw(server):
    """Return what a reader of the page saw after trying a route out."""
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
    """It has its method and path."""
    assert sorted(saw["operations"]) == sorted(f"{route.method} {route.path}" for route in ROUTES)
    assert '"019mr8mf4r"' in saw["example"]


def test_nothing_is_requested_from_another_host(saw, server):
    """The page requests its files, the document, and the routes that were tried out."""
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


def test_the_browser_reports_no_problems(saw):
    """In particular, the page respects its own content security policy."""
    assert saw["complaints"] == []


def test_a_page_view_that_is_tried_out_with_a_key_is_in_the_profile(saw):
    """The reader only enters the key; the page fills in the examples."""
    assert saw["posted"]["status"].split()[0] == "200"
    assert saw["profile"]["status"].split()[0] == "200"
    assert '"number_pages_viewed_in_the_last_7_days": 1' in saw["profile"]["answer"]


def test_profiles_come_first_and_aliases_last(saw):
    """An alias is the same operation at another path."""
    assert (saw["headings"][0], saw["headings"][-1]) == ("Profiles", "Aliases")

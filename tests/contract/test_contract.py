"""The server against its OpenAPI document, with all checks of schemathesis."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from behavstats.server.routes import ROUTES
from tests.support.keyed import SECRET_KEY, bearer, running

_EXAMPLES = 100

_SENDING = [route.path for route in ROUTES if route.takes and route.path != "/v1/page"]
_GROUPS = {
    # Includes a path that creates users.
    "users and others": {op.path for op in ROUTES if not op.takes} | {"/v1/page"},
    **{
        " ".join(two): {*two}
        for two in (_SENDING[at : at + 2] for at in range(0, len(_SENDING), 2))
    },
}


@pytest.mark.parametrize("paths", _GROUPS.values(), ids=_GROUPS)
def test_schemathesis_finds_nothing(tmp_path, paths):
    """Valid requests succeed, invalid ones are refused, and each answer matches its description."""
    folder = Path(__file__).parent
    with running(tmp_path) as server:
        address = f"http://127.0.0.1:{server.port}/openapi.json"
        command = [
            Path(sys.executable).with_name("st"),
            "--config-file",
            folder / "schemathesis.toml",
        ]
        options = ["--checks", "all", "--no-color", "--max-examples", str(_EXAMPLES)]
        options += ["--header", f"Authorization: {bearer(SECRET_KEY)['Authorization']}"]
        options += [f"--include-path={path}" for path in sorted(paths)]
        if "/v1/page" not in paths:  # the other operations have no links to test
            options += ["--phases", "examples,coverage,fuzzing"]
        environment = os.environ | {"PYTHONPATH": str(folder.parent.parent)}
        done = subprocess.run(
            [*command, "run", address, *options], env=environment, capture_output=True, check=False
        )
    output = done.stdout.decode()
    assert done.returncode == 0, output + done.stderr.decode()
    routes = [route for route in ROUTES if route.path in paths]
    assert f"Tested: {len(routes)}\n" in output
    (passed,) = re.findall(r"(\d+) passed", output.partition("Test cases:")[2])
    assert int(passed) > 20 * len(routes)

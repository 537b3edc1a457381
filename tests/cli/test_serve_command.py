"""`behavstats serve`: where its address and keys come from."""

import http.client
import os
import subprocess
import time

import pytest

from tests.cli.conftest import one_line
from tests.conftest import BEHAVSTATS
from tests.support.ports import free_port


def test_host_port_and_keys_from_the_environment(db, tmp_path):
    """One file made by `keys new` serves for both kinds of keys."""
    made = subprocess.run([BEHAVSTATS, "keys", "new"], capture_output=True, check=True).stdout
    keys = tmp_path / "keys.env"
    keys.touch(mode=0o600)
    keys.write_bytes(made)
    write_key, secret_key = (line.partition("=")[2] for line in made.decode().splitlines())
    port = free_port()
    environment = os.environ | {
        "BEHAVSTATS_DB": str(db),
        "BEHAVSTATS_HOST": "localhost",
        "BEHAVSTATS_PORT": str(port),
        "BEHAVSTATS_WRITE_KEYS_FILE": str(keys),
        "BEHAVSTATS_SECRET_KEYS_FILE": str(keys),
    }
    server = subprocess.Popen(
        [BEHAVSTATS, "serve"], env=environment, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        found = [status_with(server, port, key) for key in (None, write_key, secret_key)]
    finally:
        server.terminate()
        log = server.communicate(timeout=60)[1]
    assert found == [401, 403, 404]
    assert server.returncode == 0
    assert b"other users can read" not in log


def status_with(server, port, key):
    """Return the status of a profile request with a key, once the server answers."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    deadline = time.monotonic() + 60
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request("GET", "/v1/user/nobody", headers=headers)
            return connection.getresponse().status
        except OSError:
            assert server.poll() is None
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.05)
        finally:
            connection.close()


@pytest.mark.parametrize("option", ["--write-key-file", "--secret-key-file"])
def test_key_files_that_others_can_read_cause_a_warning(cli, tmp_path, option):
    """The keys are accepted nevertheless; in this test, the address ends the server."""
    keys = tmp_path / "keys"
    keys.write_text("a-key-0123456789\n")
    keys.chmod(0o644)
    done = cli("serve", option, keys, "--host", "no.such.host.invalid")
    warning, failure = done.stderr.decode().splitlines()
    assert warning.startswith(f"behavstats: {keys}: other users can read these keys")
    assert failure.startswith("behavstats: cannot listen on")


def test_a_key_file_given_twice_causes_one_warning(cli, tmp_path):
    """The warning has a command that can be copied, whatever the name of the file."""
    made = cli("keys", "new").stdout
    keys = tmp_path / "my keys"
    keys.write_bytes(made)
    keys.chmod(0o644)
    options = ("--write-key-file", keys, "--secret-key-file", keys)
    done = cli("serve", *options, "--host", "no.such.host.invalid")
    warning, failure = done.stderr.decode().splitlines()
    assert warning.endswith(f"protect them: chmod o-r '{keys}'")
    assert failure.startswith("behavstats: cannot listen on")


@pytest.mark.parametrize(
    ("text", "code", "complaint"),
    [
        (None, 3, "the keys cannot be read: keys: No such file or directory"),
        ("", 2, "keys: the file contains no key"),
        ("short\n", 2, "keys, line 1: a key must have at least 16 characters"),
    ],
)
def test_a_file_without_valid_keys_stops_the_server(cli, tmp_path, text, code, complaint):
    """Otherwise the server would run with fewer keys than intended."""
    if text is not None:
        (tmp_path / "keys").write_text(text)
    done = cli("serve", "--write-key-file", "keys")
    assert (done.returncode, one_line(done)) == (code, complaint)


def test_a_port_that_is_not_a_number_is_wrong_usage(cli):
    """Also in the environment; the message names the option."""
    done = cli("serve", env={"BEHAVSTATS_PORT": "http"})
    assert done.returncode == 2
    assert b"--port" in done.stderr

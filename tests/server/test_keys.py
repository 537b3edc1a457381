"""The keys of a server: how they are given, invalid keys, and a server without keys."""

import pytest

from behavstats.errors import AccessDenied, InvalidInput, NotAuthenticated
from behavstats.server.auth import Keys, Scope
from tests.conftest import user_path
from tests.support.keyed import KEYS, SECRET_KEY, WRITE_KEY, basic, bearer, running


def test_a_server_with_several_keys_of_each_kind_can_rotate_them(tmp_path):
    """Options override the variable, and a key that is left out is no longer valid."""
    old, new = WRITE_KEY + "-old", WRITE_KEY + "-new"
    variable = {"BEHAVSTATS_WRITE_KEYS": old}
    secrets = [SECRET_KEY + "-old", SECRET_KEY + "-new"]
    options = ["--write-key", new, "--secret-key", secrets[0], "--secret-key", secrets[1]]
    with running(tmp_path, *options, keys=variable) as server:
        assert [server.send("u", **bearer(key)) for key in (old, new)] == [401, 200]
        reading = [server.request("GET", user_path("u"), None, bearer(key))[0] for key in secrets]
        assert reading == [200, 200]


@pytest.mark.parametrize("between", [" ", ",", ", ", "\n"])
def test_several_keys_in_a_variable_are_separated_by_blanks_or_commas(tmp_path, between):
    """The value of an option is always one key, even if it contains blanks or commas."""
    old, new = WRITE_KEY + "-old", WRITE_KEY + "-new"
    both = {"BEHAVSTATS_WRITE_KEYS": between.join((old, new)), "BEHAVSTATS_SECRET_KEYS": SECRET_KEY}
    with running(tmp_path, keys=both) as server:
        assert [server.send("u", **bearer(key)) for key in (old, new)] == [200, 200]
        assert server.request("GET", user_path("u"), None, bearer(new))[0] == 403
    one = between.join((old, new))
    with running(tmp_path, "--write-key", one, keys={}) as server:
        assert [server.send("u", **basic(key)) for key in (one, old)] == [200, 401]


def test_keys_of_one_kind_are_enough():
    """With write keys alone nobody may read; with secret keys alone, nobody else may send."""
    with pytest.raises(AccessDenied):
        Keys([WRITE_KEY]).check(Scope.EVERYTHING, WRITE_KEY)
    with pytest.raises(NotAuthenticated):
        Keys([], [SECRET_KEY]).check(Scope.SENDING, None)
    Keys([], [SECRET_KEY]).check(Scope.SENDING, SECRET_KEY)


@pytest.mark.parametrize(
    ("write", "secret", "words"),
    [
        (["short-write-key"], [], "at least 16 characters"),
        ([WRITE_KEY], [SECRET_KEY, "short"], "at least 16 characters"),
        ([""], [], "at least 16 characters"),
        ([WRITE_KEY, SECRET_KEY], [SECRET_KEY], "must not be a secret key as well"),
    ],
)
def test_invalid_keys_are_refused_without_being_shown(write, secret, words):
    """They are too short, or are both a write key and a secret key."""
    with pytest.raises(InvalidInput, match=words) as refused:
        Keys(write, secret)
    assert not any(key in str(refused.value) for key in write + secret if key)


def test_the_command_refuses_invalid_keys(cli, db):
    """The exit code is 2, the message does not show the keys, and no store is created."""
    done = cli("serve", "--write-key", SECRET_KEY, env={"BEHAVSTATS_SECRET_KEYS": SECRET_KEY})
    error = done.stderr.decode()
    assert (done.returncode, done.stdout, error.count("\n")) == (2, b"", 1)
    assert "must not be a secret key as well" in error
    assert SECRET_KEY not in error
    assert not db.exists()


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_without_keys_the_server_refuses_to_listen_for_other_machines(cli, db, host):
    """The exit code is 2, the message says how to make keys, and no store is created."""
    done = cli("serve", "--host", host, "--port", "8765")
    error = done.stderr.decode()
    if "cannot listen" in error:
        pytest.skip("this machine has no such address")
    assert (done.returncode, done.stdout, error.count("\n")) == (2, b"", 1)
    for words in ("behavstats keys new", "--write-key", *KEYS):
        assert words in error
    assert not db.exists()


def test_the_server_accepts_a_new_pair_of_keys(cli, tmp_path):
    """Pairs differ, and are printed as environment variables. With keys, any host is allowed."""
    pairs = [cli("keys", "new").stdout.decode() for _ in range(2)]
    assert pairs[0] != pairs[1]
    keys = dict(line.split("=", 1) for line in pairs[0].splitlines())
    assert sorted(keys) == sorted(KEYS)
    with running(tmp_path, "--host", "0.0.0.0", keys=keys) as server:
        write, secret = keys["BEHAVSTATS_WRITE_KEYS"], keys["BEHAVSTATS_SECRET_KEYS"]
        assert min(len(write), len(secret)) >= 32
        assert server.send("u", **basic(write)) == 200
        assert server.request("GET", user_path("u"), None, basic(write))[0] == 403
        assert server.request("GET", user_path("u"), None, basic(secret))[0] == 200
        assert server.send("u") == 401

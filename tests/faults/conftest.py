"""Fixtures of the fault suite: repeatable randomness, small disks, servers and commands.

The promise that it holds the program to, whatever happens to its processes and its disk: what was
acknowledged is there, nothing is there twice, the store opens, and `check` finds nothing.
"""

import os
import random
import shutil
import subprocess

import pytest

from tests.conftest import BEHAVSTATS
from tests.faults.power import recorder, recording
from tests.faults.servers import Server
from tests.support.ports import free_port


@pytest.fixture
def chance():
    """A random generator; a failing test shows its seed, and FAULTS_SEED repeats it."""
    seed = int(os.environ.get("FAULTS_SEED") or random.SystemRandom().randrange(10**9))
    print(f"FAULTS_SEED={seed}")
    return random.Random(seed)


@pytest.fixture
def start_server(db):
    """Start servers on the test's store and on one port, one after the other; none is left."""
    port = free_port()
    servers = []

    def start(*options, **more):
        servers.append(Server(more.pop("db", db), port, *options, **more))
        return servers[-1]

    yield start
    for server in servers:
        server.kill_all()


@pytest.fixture
def start(db):
    """Start commands on the test's store, in sessions of their own; none is left."""
    started = []

    def start(*arguments, **more):
        pipe = subprocess.PIPE
        more = {"stdin": subprocess.DEVNULL, "stdout": pipe, "stderr": pipe} | more
        environment = os.environ | {"BEHAVSTATS_DB": str(db)} | more.pop("env", {})
        command = [BEHAVSTATS, *map(str, arguments)]
        process = subprocess.Popen(command, start_new_session=True, env=environment, **more)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def small_disk(tmp_path):
    """Mount small file systems in memory; skip the test where that is not allowed."""
    mounted = []

    def mount(size):
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
        if (
            shutil.which("mount") is None
            or subprocess.run(command, capture_output=True, check=False).returncode
        ):
            pytest.skip("a file system cannot be mounted here")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def recorded(db, tmp_path):
    """The environment in which commands record what they do to the test's store, and the record."""
    folder = tmp_path / "record"
    folder.mkdir()
    library = recorder(folder)
    if library is None:
        pytest.skip("there is no C compiler to make the recorder with")
    return recording(library, db, folder / "record"), folder / "record"

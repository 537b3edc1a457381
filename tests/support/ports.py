"""Ports for the servers of the tests."""

import itertools
import os
import random
import socket

# Below those that clients are given as their own: one of these may be held by a client just when
# a server is to be started (again). Tests that run at the same time have ranges of their own.
_FIRST, _EACH, _RANGES = 16_000, 500, 32
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_START = _FIRST + _WORKER % _RANGES * _EACH
# One after the other, so that a port is not given again soon; from anywhere, for another pytest may
# run on this machine.
_PORTS = itertools.islice(
    itertools.cycle(range(_START, _START + _EACH)), random.SystemRandom().randrange(_EACH), None
)


def free_port() -> int:
    """Return a port where nobody listens, and that no other test was given."""
    return next(filter(_is_free, _PORTS))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True

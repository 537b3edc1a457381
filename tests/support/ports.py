"""Ports for the servers of the tests."""

import itertools
import os
import random
import socket

# These ports are below the ephemeral ports: a client might hold one of those while a server starts.
# Tests that run at the same time have separate ranges.
_FIRST, _EACH, _RANGES = 16_000, 500, 32
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_START = _FIRST + _WORKER % _RANGES * _EACH
# One port after the other, so that none is used again soon; from a random one, since another pytest
# may run on this machine.
_PORTS = itertools.islice(
    itertools.cycle(range(_START, _START + _EACH)), random.SystemRandom().randrange(_EACH), None
)


def free_port() -> int:
    """Return a free port that no other test uses."""
    return next(filter(_is_free, _PORTS))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True

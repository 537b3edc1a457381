"""Runs behavstats with other limits: patched.py MODULE.NAME=NUMBER... -- ARGUMENT...

So a test does not have to send as much as the real limit allows, or to be as fast.
`lock_timeout=NUMBER` sets for how many seconds a server waits for the store.
"""

import importlib
import sys

from behavstats import config
from behavstats.__main__ import main


def patch(limit: str) -> None:
    """Set a name of a module to another value."""
    place, _, value = limit.partition("=")
    if place == "lock_timeout":
        given = config.Settings
        changed = {"lock_timeout": float(value)}
        config.Settings = lambda *values, **named: given(*values, **named | changed)
        return
    module, _, name = place.rpartition(".")
    loaded = importlib.import_module(f"behavstats.{module}")
    if not hasattr(loaded, name):
        raise AttributeError(place)
    setattr(loaded, name, type(getattr(loaded, name))(value))


if __name__ == "__main__":
    end = sys.argv.index("--")
    for limit in sys.argv[1:end]:
        patch(limit)
    sys.argv[1 : end + 1] = []
    main()

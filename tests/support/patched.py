"""Runs behavstats with other limits than its own: patched.py MODULE.NAME=NUMBER... -- ARGUMENT...

A test then need not send as much as a limit really allows, nor be as fast. `lock_timeout=NUMBER` is
for how many seconds a server waits for the store.
"""

import importlib
import sys

from behavstats import config
from behavstats.__main__ import main


def patch(limit: str) -> None:
    """Give a name of a module another value."""
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

"""Run behavstats with changed limits: patched.py MODULE.NAME=NUMBER... -- ARGUMENT...

A test then need not send as much as a limit really allows, nor be as fast.
"""

import importlib
import sys

from behavstats.__main__ import main


def patch(limit: str) -> None:
    """Set a name of a module to another value."""
    place, _, value = limit.partition("=")
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

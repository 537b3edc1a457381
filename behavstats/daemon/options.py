"""The options of the server, parsed and validated."""

from typing import NamedTuple

from behavstats.server.auth import Keys
from behavstats.server.origins import Origins


class ServerOptions(NamedTuple):
    """Where the server listens, which keys and web pages it accepts, and what it watches.

    By default, it listens on this machine alone, and asks for no keys. `watched` holds the paths of
    files and folders to follow.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    keys: Keys = Keys()
    origins: Origins = Origins(None, Keys())
    watched: tuple[str, ...] = ()

"""The options of the server, after parsing and validation."""

from typing import NamedTuple

from behavstats.server.auth import Keys
from behavstats.server.origins import Origins


class ServerOptions(NamedTuple):
    """Where the server listens, which keys and web pages it accepts, and what it watches.

    By default, it listens on the loopback address and needs no keys. `watched` has the paths of
    files and folders to follow, and the log names `rejects_command` as the command that lists
    rejected lines.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    keys: Keys = Keys()
    origins: Origins = Origins(None, Keys())
    watched: tuple[str, ...] = ()
    rejects_command: str = "behavstats rejects"

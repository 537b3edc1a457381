"""The server's sockets: addresses, limits and time-outs."""

import os
import resource
import socket
import stat
import time
from contextlib import suppress

from behavstats.errors import AddressError

_MS_TO_READ = 30_000
MOST_CONNECTIONS = 4_096
_MOST_FILES = MOST_CONNECTIONS + 256


def time_out_readers() -> None:
    """Set the time-out that ends a connection if the client does not read its answers.

    Connections inherit the time-out from the listening socket. Granian opens that socket a little
    later and does not hand it out, so this function waits until it finds the socket among the
    descriptors of this process. It duplicates descriptors of sockets only: closing a second
    descriptor of a file would release the locks of this process on that file.
    """
    is_set = False
    while not is_set:
        time.sleep(0.01)
        for name in os.listdir("/proc/self/fd"):
            with suppress(OSError):
                if not stat.S_ISSOCK(os.stat(f"/proc/self/fd/{name}").st_mode):
                    continue
                with socket.socket(fileno=os.dup(int(name))) as found:
                    if found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _MS_TO_READ)
                        is_set = True


def allow_connections() -> None:
    """Raise the limit of open files for all connections, as far as the system allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most == resource.RLIM_INFINITY or most > _MOST_FILES:
        most = _MOST_FILES
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (most, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    )


def address_of(host: str, port: int) -> str:
    """Return the IP address of a host. Raises AddressError if the server cannot listen there.

    Granian needs an IP address. It sets SO_REUSEPORT, by which a second server would silently share
    the port; so the port is tried here first.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AddressError(f"cannot listen on {host}:{port}: {reason}") from None
    return str(address[0])

"""Origins: the web pages from which requests may come, and the host names they may use."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import ip_address

from behavstats.errors import AccessDenied, InvalidInput
from behavstats.server.auth import Keys, Scope

ANY_ORIGIN = "*"
_FOREIGN = ("cross-site", "same-site")

_ORIGIN = re.compile(r"(https?)://([a-z0-9._-]+|\[[0-9a-f:.]+])(:[0-9]+)?/?")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class Origins:
    """The web pages whose scripts may send requests, by their origin (`https://example.org`).

    Without keys, a store is for its own machine only. A web page in a browser on that machine must
    not reach the store: neither by a form or a script of another site, nor by a host name that the
    site directs to this machine (DNS rebinding).
    """

    def __init__(self, allowed: Iterable[str] | None, keys: Keys) -> None:
        """Let some origins send; by default, any origin if there are keys, otherwise no origin.

        Raises InvalidInput if one of `allowed` is not an origin.
        """
        self._has_keys = bool(keys)
        default = (ANY_ORIGIN,) if keys else ()
        self._allowed = frozenset(map(_origin, default if allowed is None else allowed))

    def allowed(self, scope: Scope, origin: str | None) -> str | None:
        """Return the origin (or `*`) whose pages may read the answer; None if no page may."""
        if origin is None or scope is not Scope.SENDING:
            return None
        if ANY_ORIGIN in self._allowed:
            return ANY_ORIGIN
        return origin if origin in self._allowed else None

    def check(self, scope: Scope, headers: Mapping[str, str]) -> None:
        """Raise AccessDenied if a web page must not send this request to a store without keys.

        If the server has keys, a request needs a key instead, so any web page may send it. The
        names of `headers` are in lower case.
        """
        if self._has_keys:
            return
        host = headers.get("host", "")
        if not is_loopback(_host_name(host)):
            raise AccessDenied("without keys, the Host has to be this machine's loopback address")
        origin = headers.get("origin")
        if self.allowed(scope, origin):
            return
        # A request for an image or a frame has no Origin, but the browser marks its site.
        is_foreign = headers.get("sec-fetch-site") in _FOREIGN
        if is_foreign or (origin is not None and origin.partition("://")[2] != host):
            raise AccessDenied("without keys, other origins may send only with --cors-origin")


@lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    """Return whether a host name or address is the loopback address of this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@lru_cache(maxsize=64)
def _host_name(host: str) -> str:
    """Return the host of a `Host` header, without the port."""
    name, _, port = host.rpartition(":")
    return name if port.isdigit() else host


def _origin(text: str) -> str:
    """Return an origin as browsers write it. Raises InvalidInput if the text is not an origin."""
    if text == ANY_ORIGIN:
        return text
    found = _ORIGIN.fullmatch(text.lower())
    if found is None:
        message = f"{text!r} is not an origin: use one such as https://example.org, or *"
        raise InvalidInput("invalid_cors_origin", message)
    scheme, host, port = found.groups("")
    return f"{scheme}://{host}{'' if port == _DEFAULT_PORTS[scheme] else port}"

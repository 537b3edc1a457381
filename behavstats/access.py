"""Access: who may ask for what, by the kind of their key, and from which web pages."""

import re
import secrets
from base64 import b64decode
from collections.abc import Iterable, Mapping
from enum import IntEnum
from functools import lru_cache
from hashlib import blake2b
from hmac import compare_digest
from ipaddress import ip_address

from behavstats.errors import AccessDenied, InvalidInput, NotAuthenticated
from behavstats.model.page_view import OF_ALL_WITHOUT_KEYS

SHORTEST_KEY = 16
"""Characters."""

KEY_IN_QUERY = "writeKey"
ANY_ORIGIN = "*"
_FOREIGN = ("cross-site", "same-site")

_ORIGIN = re.compile(r"(https?)://([a-z0-9._-]+|\[[0-9a-f:.]+])(:[0-9]+)?/?")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class Need(IntEnum):
    """What a route asks for: nothing, the right to send page views, or the right to all."""

    NOTHING = 0
    SENDING = 1
    EVERYTHING = 2


class Keys:
    """The keys that are known; kept as digests, which all have one length."""

    def __init__(self, write: Iterable[str] = (), secret: Iterable[str] = ()) -> None:
        """Know some keys, of which `write` may only send.

        InvalidInput for one that is too short, or of both kinds.
        """
        self._rights: list[tuple[bytes, Need]] = []
        for keys, right in ((write, Need.SENDING), (secret, Need.EVERYTHING)):
            for key in keys:
                if len(key) < SHORTEST_KEY:
                    message = f"a key has to have {SHORTEST_KEY} characters or more"
                    raise InvalidInput("invalid_key", message)
                self._rights.append((_digest(key), right))
        rights = dict(self._rights)
        if any(rights[digest] != right for digest, right in self._rights):
            raise InvalidInput("invalid_key", "a write key must not be a secret key as well")

    def __bool__(self) -> bool:
        return bool(self._rights)

    @property
    def can_read(self) -> bool:
        """Whether one of them gives the right to all."""
        return any(right is Need.EVERYTHING for _, right in self._rights)

    def check(self, need: Need, key: str | None) -> None:
        """Raise AccessDenied unless a key gives a right; without any known keys, everything goes.

        In a time that does not depend on how much of a key is right.
        """
        if not self._rights or need is Need.NOTHING:
            return
        if key is None:
            raise NotAuthenticated("a key is needed: as Basic user name, Bearer, or X-Write-Key")
        right = self._right(_digest(key))
        if right is Need.NOTHING:
            raise NotAuthenticated("the key is not known")
        if right < need:
            raise AccessDenied("a write key may only send; this takes a secret key")

    def sender(self, key: str | None) -> int:
        """Return by which number what a key sent is known: one for all, if there are no keys.

        Too short a digest to tell the key by, even if it is one that could be guessed.
        """
        if not self._rights or key is None:
            return OF_ALL_WITHOUT_KEYS
        digest = blake2b(_digest(key), digest_size=3).digest()
        return OF_ALL_WITHOUT_KEYS + 1 + int.from_bytes(digest, "big")

    def _right(self, digest: bytes) -> Need:
        # Compared with each, also after one has fitted.
        fits = [(compare_digest(known, digest), right) for known, right in self._rights]
        return max((right for fitting, right in fits if fitting), default=Need.NOTHING)


def new_key() -> str:
    """Return a fresh key that nobody can guess."""
    return secrets.token_urlsafe(24)


def given_key(environ: Mapping[str, str], query: Mapping[str, str]) -> str | None:
    """Return the key that a request shows outside of its body, or None.

    The first of: the user name of Basic, Bearer, `X-Write-Key`, `?writeKey=`.
    """
    scheme, _, credentials = _text(environ.get("HTTP_AUTHORIZATION", "")).strip().partition(" ")
    shown = ""
    if scheme.lower() == "basic":
        shown = _user_name(credentials.strip())
    elif scheme.lower() == "bearer":
        shown = credentials.strip()
    return shown or _text(environ.get("HTTP_X_WRITE_KEY", "")) or query.get(KEY_IN_QUERY) or None


class Origins:
    """The web pages whose scripts may ask, by their origin (`https://example.org`).

    Without keys, a store is for its own machine alone. A web page in a browser there must not reach
    it, be it by another site's form or script, or by a name of its own that it has lead to this
    machine (DNS rebinding).
    """

    def __init__(self, allowed: Iterable[str] | None, keys: Keys) -> None:
        """Let some origins send; by default, any where there are keys, and none else.

        InvalidInput if one that is allowed is no origin.
        """
        self._has_keys = bool(keys)
        default = (ANY_ORIGIN,) if keys else ()
        self._allowed = frozenset(map(_origin, default if allowed is None else allowed))

    def allowed(self, need: Need, origin: str | None) -> str | None:
        """Return the origin (or `*`) that may read the answer to what it sent, or None."""
        if origin is None or need is not Need.SENDING:
            return None
        if ANY_ORIGIN in self._allowed:
            return ANY_ORIGIN
        return origin if origin in self._allowed else None

    def check(self, need: Need, environ: Mapping[str, str]) -> None:
        """Raise AccessDenied for a request by a web page that must not reach a store without keys.

        With keys, these decide.
        """
        if self._has_keys:
            return
        host = environ.get("HTTP_HOST", "")
        if not is_loopback(_host_name(host)):
            raise AccessDenied("without keys, the Host has to be this machine's loopback address")
        origin = environ.get("HTTP_ORIGIN")
        if self.allowed(need, origin):
            return
        # An image or a frame of another site's page has no Origin, but the browser tells.
        is_foreign = environ.get("HTTP_SEC_FETCH_SITE") in _FOREIGN
        if is_foreign or (origin is not None and origin.partition("://")[2] != host):
            raise AccessDenied("without keys, other origins may send only if --cors-origin says so")


@lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    """Return whether a host, by name or address, is the loopback of this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@lru_cache(maxsize=64)
def _host_name(host: str) -> str:
    """Return what stands before the port in a `Host` header."""
    name, _, port = host.rpartition(":")
    return name if port.isdigit() else host


def _origin(text: str) -> str:
    """Return an origin as browsers write it; InvalidInput if none of theirs can be meant."""
    if text == ANY_ORIGIN:
        return text
    found = _ORIGIN.fullmatch(text.lower())
    if found is None:
        message = f"{text!r} is no origin, such as https://example.org, nor *"
        raise InvalidInput("invalid_cors_origin", message)
    scheme, host, port = found.groups("")
    return f"{scheme}://{host}{'' if port == _DEFAULT_PORTS[scheme] else port}"


def _text(header: str) -> str:
    """Return the text of a header, which comes as bytes (PEP 3333): UTF-8, if it is that."""
    if header.isascii():
        return header
    try:
        return header.encode("latin-1").decode()
    except ValueError:
        return header


def _user_name(credentials: str) -> str:
    try:
        text = b64decode(credentials, validate=True).decode()
    except ValueError:  # no base64, not even of ASCII, or not of UTF-8
        return ""
    # Without a password, as clients send a key, that may have colons of its own.
    return text.removesuffix(":") if text.endswith(":") else text.partition(":")[0]


def _digest(key: str) -> bytes:
    # In a query, a plus sign is itself to some, and a blank to others; so they are the same here.
    text = key.replace("+", " ")
    return blake2b(text.encode(errors="surrogatepass"), digest_size=32).digest()

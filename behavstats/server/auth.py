"""Access: who may ask for what, by the kind of their key, and from which web pages."""

import secrets
from base64 import b64decode
from collections.abc import Iterable, Mapping
from enum import IntEnum
from hashlib import blake2b
from hmac import compare_digest

from behavstats.errors import AccessDenied, InvalidInput, NotAuthenticated
from behavstats.model.page_view import OF_ALL_WITHOUT_KEYS

SHORTEST_KEY = 16
"""Characters."""

KEY_IN_QUERY = "writeKey"


class Scope(IntEnum):
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
        self._rights: list[tuple[bytes, Scope]] = []
        for keys, right in ((write, Scope.SENDING), (secret, Scope.EVERYTHING)):
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
        return any(right is Scope.EVERYTHING for _, right in self._rights)

    def check(self, scope: Scope, key: str | None) -> None:
        """Raise AccessDenied unless a key gives a right; without any known keys, everything goes.

        In a time that does not depend on how much of a key is right.
        """
        if not self._rights or scope is Scope.NOTHING:
            return
        if key is None:
            raise NotAuthenticated("a key is needed: as Basic user name, Bearer, or X-Write-Key")
        right = self._right(_digest(key))
        if right is Scope.NOTHING:
            raise NotAuthenticated("the key is not known")
        if right < scope:
            raise AccessDenied("a write key may only send; this takes a secret key")

    def sender(self, key: str | None) -> int:
        """Return by which number what a key sent is known: one for all, if there are no keys.

        Too short a digest to tell the key by, even if it is one that could be guessed.
        """
        if not self._rights or key is None:
            return OF_ALL_WITHOUT_KEYS
        digest = blake2b(_digest(key), digest_size=3).digest()
        return OF_ALL_WITHOUT_KEYS + 1 + int.from_bytes(digest, "big")

    def _right(self, digest: bytes) -> Scope:
        # Compared with each, also after one has fitted.
        fits = [(compare_digest(known, digest), right) for known, right in self._rights]
        return max((right for fitting, right in fits if fitting), default=Scope.NOTHING)


def new_key() -> str:
    """Return a fresh key that nobody can guess."""
    return secrets.token_urlsafe(24)


def credential(headers: Mapping[str, str], query: Mapping[str, str]) -> str | None:
    """Return the key that a request shows in its headers or its query, or None.

    The first of: the user name of Basic, Bearer, `X-Write-Key`, `?writeKey=`. The names of
    `headers` are in small letters.
    """
    scheme, _, credentials = _text(headers.get("authorization", "")).strip().partition(" ")
    shown = ""
    if scheme.lower() == "basic":
        shown = _user_name(credentials.strip())
    elif scheme.lower() == "bearer":
        shown = credentials.strip()
    return shown or _text(headers.get("x-write-key", "")) or query.get(KEY_IN_QUERY) or None


def _text(header: str) -> str:
    """Return the text of a header, which was decoded as Latin-1: as UTF-8, if it is that."""
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

"""Authentication: the keys, and what a key of each kind may do."""

import secrets
from base64 import b64decode
from collections.abc import Iterable, Mapping
from enum import IntEnum
from hashlib import blake2b
from hmac import compare_digest

from behavstats.errors import AccessDenied, InvalidInput, NotAuthenticated
from behavstats.model.page_view import KEYLESS_SENDER

SHORTEST_KEY = 16
"""Characters."""

KEY_IN_QUERY = "writeKey"


class Scope(IntEnum):
    """What a key allows, and what a route requires: nothing, sending page views, or everything."""

    NOTHING = 0
    SENDING = 1
    EVERYTHING = 2


class Keys:
    """The keys that the server accepts. They are kept as digests of the same length."""

    def __init__(self, write: Iterable[str] = (), secret: Iterable[str] = ()) -> None:
        """Accept some keys; `write` keys may only send, `secret` keys may do everything.

        Raises InvalidInput for a key that is too short or is of both kinds.
        """
        self._rights: list[tuple[bytes, Scope]] = []
        for keys, right in ((write, Scope.SENDING), (secret, Scope.EVERYTHING)):
            for key in keys:
                if len(key) < SHORTEST_KEY:
                    message = f"a key must have at least {SHORTEST_KEY} characters"
                    raise InvalidInput("invalid_key", message)
                self._rights.append((_digest(key), right))
        rights = dict(self._rights)
        if any(rights[digest] != right for digest, right in self._rights):
            raise InvalidInput("invalid_key", "a write key must not be a secret key as well")

    def __bool__(self) -> bool:
        return bool(self._rights)

    @property
    def can_read(self) -> bool:
        """Whether there is a secret key."""
        return any(right is Scope.EVERYTHING for _, right in self._rights)

    def check(self, scope: Scope, key: str | None) -> None:
        """Raise AccessDenied unless a key has a scope. If the server has no keys, anyone may.

        The check takes the same time for each wrong key, however much of it is right.
        """
        if not self._rights or scope is Scope.NOTHING:
            return
        if key is None:
            raise NotAuthenticated("a key is needed: as Basic user name, Bearer, or X-Write-Key")
        right = self._right(_digest(key))
        if right is Scope.NOTHING:
            raise NotAuthenticated("the key is not known")
        if right < scope:
            raise AccessDenied("a write key may only send; this needs a secret key")

    def sender(self, key: str | None) -> int:
        """Return the number that identifies the sender with a key, or all senders without keys.

        The number is a digest that is too short to reveal the key, even a key that can be guessed.
        """
        if not self._rights or key is None:
            return KEYLESS_SENDER
        digest = blake2b(_digest(key), digest_size=3).digest()
        return KEYLESS_SENDER + 1 + int.from_bytes(digest, "big")

    def _right(self, digest: bytes) -> Scope:
        # The key is compared with all known keys, even after a match, to take the same time.
        matches = [(compare_digest(known, digest), right) for known, right in self._rights]
        return max((right for is_match, right in matches if is_match), default=Scope.NOTHING)


def new_key() -> str:
    """Return a new random key, which cannot be guessed."""
    return secrets.token_urlsafe(24)


def credential(headers: Mapping[str, str], query: Mapping[str, str]) -> str | None:
    """Return the key in the headers or the query of a request, or None.

    These are tried in turn: the user name of Basic, Bearer, `X-Write-Key`, `?writeKey=`. The names
    of `headers` are in lower case.
    """
    scheme, _, credentials = _text(headers.get("authorization", "")).strip().partition(" ")
    shown = ""
    if scheme.lower() == "basic":
        shown = _user_name(credentials.strip())
    elif scheme.lower() == "bearer":
        shown = credentials.strip()
    return shown or _text(headers.get("x-write-key", "")) or query.get(KEY_IN_QUERY) or None


def _text(header: str) -> str:
    """Return a header that was decoded as Latin-1, decoded as UTF-8 if possible."""
    if header.isascii():
        return header
    try:
        return header.encode("latin-1").decode()
    except ValueError:
        return header


def _user_name(credentials: str) -> str:
    try:
        text = b64decode(credentials, validate=True).decode()
    except ValueError:  # not base64, or not UTF-8
        return ""
    # Clients send a key without a password, so the key itself may contain colons.
    return text.removesuffix(":") if text.endswith(":") else text.partition(":")[0]


def _digest(key: str) -> bytes:
    # In a query, `+` is a plus sign to some clients and a blank to others: both count as equal.
    text = key.replace("+", " ")
    return blake2b(text.encode(errors="surrogatepass"), digest_size=32).digest()

"""Keyed hashes of texts, for indexes and for remembering erased users without their ids.

The key is the secret of the store, so a hash reveals nothing without the store. The key is hashed
before the text, which is sound with BLAKE2 and takes two thirds of the time of its keyed mode.
"""

from collections.abc import Iterable
from hashlib import blake2b

_HASH_BYTES = 8
_DIGEST_BYTES = 16


class Hasher:
    """Hashes texts with the secret of one store."""

    def __init__(self, secret: bytes) -> None:
        self._begun = blake2b(secret, digest_size=_HASH_BYTES)
        self._begun_digest = blake2b(secret, digest_size=_DIGEST_BYTES)

    def hash(self, text: str) -> int:
        """Return a 64-bit hash as a signed integer; another text may have the same hash."""
        hasher = self._begun.copy()
        hasher.update(text.encode(errors="surrogatepass"))
        return int.from_bytes(hasher.digest(), "little", signed=True)

    def hashes(self, texts: Iterable[str]) -> bytes:
        """Return the 64-bit hashes of texts as bytes, eight for each text, little-endian."""
        hashes = []
        for text in texts:
            hasher = self._begun.copy()
            hasher.update(text.encode(errors="surrogatepass"))
            hashes.append(hasher.digest())
        return b"".join(hashes)

    def digest(self, text: str) -> bytes:
        """Return a digest of 16 bytes, which identifies a text."""
        hasher = self._begun_digest.copy()
        hasher.update(text.encode(errors="surrogatepass"))
        return hasher.digest()


def keyed_hash(text: str | None, secret: bytes) -> int | None:
    """Return the hash of a text for use in SQL; None for None."""
    return None if text is None else Hasher(secret).hash(text)

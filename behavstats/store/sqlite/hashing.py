"""Keyed hashes of texts: what stands in indexes, and in place of the ids of erased users.

The key is the secret of the store, so that without the store nobody can tell what was hashed. It
precedes the text, which is sound with BLAKE2, and takes two thirds of its own keyed mode.
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
        """Return 64 bits, as SQLite's signed integer; two texts may have the same ones."""
        hasher = self._begun.copy()
        hasher.update(text.encode(errors="surrogatepass"))
        return int.from_bytes(hasher.digest(), "little", signed=True)

    def hashes(self, texts: Iterable[str]) -> bytes:
        """Return the hashes of texts, eight bytes each, the lowest first."""
        hashes = []
        for text in texts:
            hasher = self._begun.copy()
            hasher.update(text.encode(errors="surrogatepass"))
            hashes.append(hasher.digest())
        return b"".join(hashes)

    def digest(self, text: str) -> bytes:
        """Return 16 bytes; it is out of the question that two texts have the same ones."""
        hasher = self._begun_digest.copy()
        hasher.update(text.encode(errors="surrogatepass"))
        return hasher.digest()


def keyed_hash(text: str | None, secret: bytes) -> int | None:
    """Return the hash of a text, for SQL; of no text, None."""
    return None if text is None else Hasher(secret).hash(text)

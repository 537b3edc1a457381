"""Addresses of stores: which engine an address is for, and where its store is."""

import re
from pathlib import Path

from behavstats.errors import StoreUnavailable

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/]*)(?:/(.*))?", re.DOTALL)


def path_of(address: str | Path) -> Path:
    """Return the path of a SQLite store: that of `sqlite:///path`, or the path itself.

    `sqlite:////path` is absolute, `sqlite:///path` is relative to the working directory. Raises
    StoreUnavailable for an address of another engine; the message shows only its scheme, because
    an address may hold a password.
    """
    parts = None if isinstance(address, Path) else _ADDRESS.fullmatch(address)
    if parts is None:
        return Path(address)
    scheme, host, path = parts.groups()
    if scheme.lower() != "sqlite":
        message = f"there is no storage engine for {scheme}:// addresses"
        raise StoreUnavailable(f"{message}; give a path, or sqlite:///PATH")
    if host or not path:
        raise StoreUnavailable("an address of a SQLite store is sqlite:///PATH")
    return Path(path)

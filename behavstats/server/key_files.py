"""Keys from files, so that neither a list of processes nor an environment shows them."""

import os
import stat
from pathlib import Path

from behavstats.errors import InvalidInput, SourceError
from behavstats.server.auth import SHORTEST_KEY

_MOST_BYTES = 1024 * 1024


def read_keys(path: Path, variable: str) -> tuple[list[str], bool]:
    """Return the keys in a file, and whether other users of the machine can read it.

    Each key has a line of its own. Blank lines and lines that begin with `#` are ignored. A line
    such as `behavstats keys new` prints (`NAME=key`) counts only if the name is `variable`. Raises
    SourceError if the file cannot be read, and InvalidInput if a line is not a key or there are no
    keys.
    """
    text, is_open_to_others = _read(path)
    keys: list[str] = []
    for number, line in enumerate(map(str.strip, text.splitlines()), start=1):
        name, is_assigned, value = line.partition("=")
        if is_assigned and name.startswith("BEHAVSTATS_"):
            found = value.strip("\"'").replace(",", " ").split() if name == variable else []
        else:
            found = [line] if line and not line.startswith("#") else []
        for key in found:
            _check(key, f"{path}, line {number}")
        keys += found
    if not keys:
        raise InvalidInput("invalid_key", f"{path}: the file contains no key")
    return keys, is_open_to_others


def _read(path: Path) -> tuple[str, bool]:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            text = file.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SourceError(f"the keys cannot be read: {path}: {reason}") from None
    if len(text) > _MOST_BYTES:
        message = f"{path}: a file of keys must not be longer than {_MOST_BYTES:,} bytes"
        raise InvalidInput("invalid_key", message)
    try:
        is_open = stat.S_ISREG(status.st_mode) and bool(status.st_mode & stat.S_IROTH)
        return text.decode("utf-8-sig"), is_open
    except UnicodeDecodeError:
        raise InvalidInput("invalid_key", f"{path}: the file is not UTF-8") from None


def _check(key: str, where: str) -> None:
    if len(key.split()) > 1:
        message = f"{where}: a key contains no blanks; each key needs a line of its own"
        raise InvalidInput("invalid_key", message)
    if len(key) < SHORTEST_KEY:
        message = f"{where}: a key must have at least {SHORTEST_KEY} characters"
        raise InvalidInput("invalid_key", message)

"""Rotation: decides by name and by content which file is a rotated copy of another one.

Nothing here looks at the file system or the store.
"""

import os
import re
from functools import lru_cache
from typing import Protocol

from behavstats.watch import fingerprint

_MONTH = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
# The mark that rotation adds to a name: a number, a date, or both, in the styles of logrotate,
# logback, log4j, loguru and Python's handlers. A number needs a separator before it, so that
# `events2.jsonl` is not taken for a rotated `events.jsonl`; a date needs no separator.
_MARK = (
    rf"(?:[._-](?:\d|(?:{_MONTH})[._-]?\d)|20\d\d[._-]?[01]\d[._-]?[0-3]\d)"
    rf"(?:[\d.T:_+ZW-]|{_MONTH})*"
)
_COMPRESSED = r"(?:\.gz|\.zst)?"
_ADDED = r"(?:\.(?:jsonl|ndjson|json|log|txt))?"  # by the option `addextension` of logrotate
_MARKED = re.compile(rf"(.+?){_MARK}((?:\.[A-Za-z][^.]*)*?){_COMPRESSED}")


class Readable(Protocol):
    """The part of a file's interface with which contents are compared."""

    @property
    def size(self) -> int:
        """The size of the content in bytes."""

    @property
    def is_compressed(self) -> bool:
        """Whether the file is compressed."""

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes, or fewer at the end of the content."""


def is_rotated(path: str, of: str) -> bool:
    """Return whether a path is one that a file may get when it is rotated in its folder.

    For example `app.log.1`, `app.log-20261124.gz` or, before an extension, `app-2026-11-24.1.log`.
    """
    folder, name = os.path.split(path)
    folder_before, before = os.path.split(of)
    return folder == folder_before and bool(_rotated(before).fullmatch(name))


def begins_alike(path: str, other: str) -> bool:
    """Return whether a path begins with another one, apart from the extension of that one."""
    return path.startswith(os.path.splitext(other)[0])


def unrotated(path: str) -> str:
    """Return the path that a file had before it was rotated, as far as the name shows."""
    folder, name = os.path.split(path)
    marked = _MARKED.fullmatch(name)
    return os.path.join(folder, marked[1] + marked[2]) if marked else path


def unpacked(path: str) -> str:
    """Return the path that a file had before it was compressed, as far as the name shows."""
    return path.removesuffix(".gz").removesuffix(".zst")


def is_likely_copy(name: str, original: str | None, common_bytes: int) -> bool:
    """Return whether a file is likely a copy of another one, and not similar by coincidence.

    `common_bytes` is how many bytes both have in common. Few are enough if the names are related:
    the name of the copy is longer, or both are names that one file may get when it is rotated.
    """
    if common_bytes >= fingerprint.SAMPLE_BYTES:
        return True
    if original is None:
        return False
    is_longer = name.startswith(original) or is_rotated(name, original)
    return is_longer or unrotated(name) == unrotated(original)


def is_contained(copy: Readable, original: Readable) -> bool:
    """Return whether an original with the same prefix contains everything that a copy contains.

    That is the case while the copy is being made, and until the original is truncated. Meanwhile,
    lines are read from the original.
    """
    length = min(copy.size, fingerprint.SAMPLE_BYTES)
    offset = copy.size - length
    return not original.is_compressed and original.read(offset, length) == copy.read(offset, length)


@lru_cache(maxsize=1024)
def _rotated(name: str) -> re.Pattern[str]:
    """Return a pattern for the names of a rotated file: a mark at the end, or before a dot."""
    cuts = [place for place, character in enumerate(name) if character == "." and place]
    parts = ((name[:cut], name[cut:]) for cut in [*cuts, len(name)])
    either = "|".join(f"{re.escape(stem)}{_MARK}{re.escape(rest)}" for stem, rest in parts)
    return re.compile(f"(?:{either}){_ADDED}{_COMPRESSED}")

"""Rotation: which file another one was before, told by its name and by what it holds."""

import os
import re
from contextlib import suppress
from functools import lru_cache

from behavstats.errors import SourceError
from behavstats.store import Checkpoint
from behavstats.watch.tailed_file import FINGERPRINT_BYTES, Content, opened

_MONTH = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
# What rotation puts into a name: a number, a date, or both, of the styles of logrotate, logback,
# log4j, loguru and Python's handlers. A date alone needs nothing before it: a bare number would
# make `events2.jsonl` a rotated `events.jsonl`.
_MARK = (
    rf"(?:[._-](?:\d|(?:{_MONTH})[._-]?\d)|20\d\d[._-]?[01]\d[._-]?[0-3]\d)"
    rf"(?:[\d.T:_+ZW-]|{_MONTH})*"
)
_COMPRESSED = r"(?:\.gz|\.zst)?"
_ADDED = r"(?:\.(?:jsonl|ndjson|json|log|txt))?"  # by logrotate's `addextension`
_MARKED = re.compile(rf"(.+?){_MARK}((?:\.[A-Za-z][^.]*)*?){_COMPRESSED}")


def is_rotated(path: str, of: str) -> bool:
    """Return whether a path is one that a file gets when it is rotated in its folder.

    As `app.log.1`, `app.log-20261124.gz` or, before an extension, `app-2026-11-24.1.log`.
    """
    folder, name = os.path.split(path)
    folder_before, before = os.path.split(of)
    return folder == folder_before and bool(_rotated(before).fullmatch(name))


def begins_alike(path: str, other: str) -> bool:
    """Return whether a path begins as another one does, up to the extension of that."""
    return path.startswith(os.path.splitext(other)[0])


def unrotated(path: str) -> str:
    """Return the path that a file had before it was rotated, as far as its name tells."""
    folder, name = os.path.split(path)
    marked = _MARKED.fullmatch(name)
    return os.path.join(folder, marked[1] + marked[2]) if marked else path


def unpacked(path: str) -> str:
    """Return the path that a file had before it was compressed, as far as its name tells."""
    return path.removesuffix(".gz").removesuffix(".zst")


def is_likely_a_copy(content: Content, other: Checkpoint, name: str | None) -> bool:
    """Return whether so much is the same as in another, if it is, that it is no coincidence.

    Little will do if the name is the other's with something behind it, or one of the same file's
    when that is rotated.
    """
    if min(content.size, other.offset) - content.nuls >= FINGERPRINT_BYTES:
        return True
    if name is None:
        return False
    is_longer = content.name.startswith(name) or is_rotated(content.name, name)
    return is_longer or unrotated(content.name) == unrotated(name)


def is_all_in(content: Content, path: str | None) -> bool:
    """Return whether a file holds nothing but the beginning of another one, whose beginning it has.

    As a copy in the making does, and one whose original is not truncated yet: lines are taken from
    that.
    """
    length = min(content.size, FINGERPRINT_BYTES)
    place = (content.size - length, length)
    with suppress(SourceError), opened(path or "") as original:
        return not original.is_compressed and original.read(*place) == content.read(*place)
    return False


@lru_cache(maxsize=1024)
def _rotated(name: str) -> re.Pattern[str]:
    """Return what the names of a rotated file are like: with a mark at the end, or before a dot."""
    cuts = [place for place, character in enumerate(name) if character == "." and place]
    parts = ((name[:cut], name[cut:]) for cut in [*cuts, len(name)])
    either = "|".join(f"{re.escape(stem)}{_MARK}{re.escape(rest)}" for stem, rest in parts)
    return re.compile(f"(?:{either}){_ADDED}{_COMPRESSED}")

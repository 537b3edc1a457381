"""Files that are taken anew: which they are, and what must not come back with them.

What a file holds may be replaced by what it held, but for some lines: as when an operator removes
a user from it. Then all of it is taken again, and users would be back who were erased since.
"""

import logging
import os
import re
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NamedTuple

import msgspec

from behavstats.decode.vectorized import Decoded
from behavstats.model.page_view import Rejection
from behavstats.store import Erasures, SourceOffset, Store
from behavstats.watch.discovery import File
from behavstats.watch.locations import Places

_GRACE = 5.0  # seconds in which a copy of what a file held may appear: it may be compressed
_MOST_CONTINUED = 10_000  # that are remembered
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_WORD = re.compile(r"[^\s\"',;:&=?(){}\[\]<>]+")
_NUMERIC_ID = re.compile(r'(?i:"(?:user|anonymous)_?id")\s*:\s*(-?[0-9]+)')

_log = logging.getLogger(__name__)


class _Pending(NamedTuple):
    """A file whose former content is looked for elsewhere; by the key of its progress."""

    name: str
    before: int
    until: float


class Anew:
    """Tells which files are begun though they, or what lies beside them, were known before."""

    def __init__(self, store: Store, places: Places) -> None:
        self._store = store
        self._places = places
        self._pending: dict[File, _Pending] = {}
        self._continued: set[int] = set()
        self.begin_round()

    def begin_round(self) -> None:
        """Ask the store anew what it knows."""
        self._by_name: dict[str, SourceOffset] | None = None
        self._folders: set[str] = set()

    def before(self, name: str) -> SourceOffset | None:
        """Return what was taken last under the name of a file that is begun."""
        if self._by_name is None:
            known = sorted(self._store.offsets.all(), key=lambda progress: progress.taken)
            self._by_name = {source.name: source for source in known if source.name}
            self._folders = set(map(os.path.dirname, self._by_name))
        return self._by_name.get(name)

    def is_beside_known(self, name: str) -> bool:
        """Return whether anything was taken of the folder in which a file lies.

        It may hold what another one held: what was rotated is packed anew, or is written to a file
        that is to take the other's place.
        """
        return self.before(name) is not None or os.path.dirname(name) in self._folders

    def goes_on(self, progress: SourceOffset) -> None:
        """Take note that a content goes on in another file."""
        if len(self._continued) >= _MOST_CONTINUED:
            self._continued.clear()
        self._continued.add(progress.id)

    def expect(self, file: File, name: str, before: SourceOffset) -> None:
        """Have it said, if what a file held before is not found elsewhere soon."""
        self._pending[file] = _Pending(name, before.id, time.monotonic() + _GRACE)

    def say(self, *, at_once: bool) -> None:
        """Say of which files nothing is left of what they held; of the others, forget it.

        Files with a copy that has gone on were rotated. Raises StoreError.
        """
        if not self._pending:
            return
        there = {source.id: source for source in self._store.offsets.all()}
        for file, pending in [*self._pending.items()]:
            before = there.get(pending.before)
            is_there = before is not None and self._places.of(before) is not None
            if is_there or pending.before in self._continued:
                self._store.offsets.mark_rotated(*file)
            elif at_once or time.monotonic() > pending.until:
                _log.warning(
                    "%s: what was taken of it is not there any more, nor is a copy of that: it is "
                    "TAKEN ANEW from its beginning. What it held and was not taken yet is lost; "
                    "page views are not counted twice; those of users who were erased, from "
                    "before that, are left out",
                    pending.name,
                )
            else:
                continue
            del self._pending[file]


class Filter:
    """Keeps users from coming back who were erased, as far as the store remembers them."""

    def __init__(self, erasures: Callable[[], Erasures]) -> None:
        """`erasures` returns those there are now."""
        self._ask = erasures
        self._erasures: Erasures | None = None

    def renew(self) -> None:
        """Ask anew who was erased, the next time."""
        self._erasures = None

    def applied(self, part: Decoded) -> tuple[Decoded, int]:
        """Return a part of a file without them, and how many page views and lines that left out.

        Left out is each rejected line that has the id as a string of JSON, or as a word where it
        has no strings.
        """
        if self._erasures is None:
            self._erasures = self._ask()
        erasures = self._erasures
        if not erasures:
            return part, 0
        views, left_out = erasures.without(part.views)
        kept = [line for line in part.rejections if not erasures.has_any(_named(line))]
        left_out += len(part.rejections) - len(kept)
        return part._replace(views=views, rejections=kept), left_out


def _named(rejection: Rejection) -> Iterable[str]:
    """Return all that may be a user's id in a rejected line."""
    text = rejection.text.decode(errors="replace")
    strings = _STRING.findall(text)
    if not strings:
        return set(_WORD.findall(text))
    names = {string[1:-1] for string in strings}
    names.update(_NUMERIC_ID.findall(text))
    for string in strings:
        if "\\" in string:
            with suppress(msgspec.DecodeError):
                names.add(msgspec.json.decode(string, type=str))
    return names

"""Leaves out the lines of erased users where a file is read again.

A file may be replaced by a copy without some lines, for example because an operator removes a user
from it. Then all of it is read again, and other users who were erased meanwhile would return.
"""

import re
from collections.abc import Callable, Iterable
from contextlib import suppress

import msgspec

from behavstats.decode.vectorized import Decoded
from behavstats.model.page_view import Rejection
from behavstats.store import Erasures

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_WORD = re.compile(r"[^\s\"',;:&=?(){}\[\]<>]+")
_NUMERIC_ID = re.compile(r'(?i:"(?:user|anonymous)_?id")\s*:\s*(-?[0-9]+)')


class ErasedUserFilter:
    """Leaves out erased users that the store remembers. Each batch needs a filter of its own."""

    def __init__(self, erasures: Callable[[], Erasures]) -> None:
        """`erasures` returns the current erasures; it is called once, when they are needed."""
        self._load = erasures
        self._erasures: Erasures | None = None

    def apply(self, part: Decoded) -> tuple[Decoded, int]:
        """Return a part of a file without erased users, and how many entries were left out.

        These are page views, and each rejected line that has a user's id as a JSON string, or as a
        word if the line has no strings.
        """
        if self._erasures is None:
            self._erasures = self._load()
        erasures = self._erasures
        if not erasures:
            return part, 0
        views, left_out = erasures.without(part.views)
        kept = [line for line in part.rejections if not erasures.has_any(_possible_ids(line))]
        left_out += len(part.rejections) - len(kept)
        return part._replace(views=views, rejections=kept), left_out


def _possible_ids(rejection: Rejection) -> Iterable[str]:
    """Return everything in a rejected line that may be a user's id."""
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

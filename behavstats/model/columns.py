"""Page views in columns: arrays instead of one object for each page view."""

from collections.abc import Sequence
from dataclasses import dataclass
from sys import getsizeof

import numpy as np
from numpy.typing import NDArray

from behavstats.model.page_view import PageView

Instants = NDArray[np.int64]
"""Whole ms since the epoch, UTC."""

Numbers = NDArray[np.int32]
"""Indices into a list of texts."""

_ENTRY_BYTES = 150  # for each text, in dictionaries and SQL parameters, without the text itself
_DATED_BYTES = 1_000  # for each page view with an arrival key, roughly


@dataclass(frozen=True, slots=True)
class PageViews:
    """Page views in columns: view i is `user_ids[users[i]]`, `instants[i]`, `names[pages[i]]`.

    The three arrays have the same length. The texts in a list are distinct, and some of them may
    belong to no page view. The few page views with an arrival key (see `PageView`) are not in the
    columns but in `dated`.
    """

    user_ids: list[str]
    names: list[str]
    users: Numbers
    instants: Instants
    pages: Numbers
    dated: tuple[PageView, ...] = ()

    def __len__(self) -> int:
        return len(self.instants)

    @property
    def size(self) -> int:
        """The approximate memory of the arrays and texts, in bytes."""
        return self.nbytes + sum(map(getsizeof, self.user_ids)) + sum(map(getsizeof, self.names))

    @property
    def nbytes(self) -> int:
        """The size of the arrays in bytes."""
        return self.users.nbytes + self.instants.nbytes + self.pages.nbytes


class Numbering(dict[str, int]):
    """Numbers texts from 0, in the order in which they first appear."""

    def __missing__(self, text: str) -> int:
        """Give the next number to a new text."""
        number = self[text] = len(self)
        return number

    def numbers(self, texts: Sequence[str]) -> Numbers:
        """Return the number of each text."""
        return np.fromiter(map(self.__getitem__, texts), np.int32, len(texts))


class BatchBuilder:
    """Joins the page views of many blocks; each text is held once.

    `size` is the approximate memory of all page views so far, in bytes.
    """

    def __init__(self) -> None:
        self._user_ids, self._names = Numbering(), Numbering()
        self._users = [np.empty(0, np.int32)]
        self._instants = [np.empty(0, np.int64)]
        self._pages = [np.empty(0, np.int32)]
        self._dated: list[PageView] = []
        self._length = 0
        self.size = 0

    def __len__(self) -> int:
        return self._length

    def add(self, views: PageViews) -> None:
        """Append page views."""
        users = self._renumbered(self._user_ids, views.user_ids)
        pages = self._renumbered(self._names, views.names)
        self._users.append(users[views.users])
        self._instants.append(views.instants)
        self._pages.append(pages[views.pages])
        self._dated += views.dated
        self._length += len(views)
        self.size += views.nbytes + _DATED_BYTES * len(views.dated)

    def page_views(self) -> PageViews:
        """Return all page views that were added, in order."""
        return PageViews(
            users=np.concatenate(self._users),
            instants=np.concatenate(self._instants),
            pages=np.concatenate(self._pages),
            user_ids=[*self._user_ids],
            names=[*self._names],
            dated=tuple(self._dated),
        )

    def _renumbered(self, numbering: Numbering, texts: list[str]) -> Numbers:
        """Return the numbers of texts across all blocks; count the memory of new texts."""
        known = len(numbering)
        numbers = numbering.numbers(texts)
        new = np.flatnonzero(numbers >= known).tolist()
        self.size += sum(getsizeof(texts[number]) + _ENTRY_BYTES for number in new)
        return numbers

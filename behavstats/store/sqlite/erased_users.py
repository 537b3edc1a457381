"""Users who were erased while files were watched, and must not return when a file is reread."""

import dataclasses
import sqlite3
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from behavstats.store.sqlite.connection import Connection
from behavstats.store.sqlite.hashing import Hasher

if TYPE_CHECKING:
    from behavstats.model.columns import PageViews

_MOST = 100_000  # users that are remembered

_REMEMBER = """
INSERT INTO erased_user (digest, erased, until, sources)
SELECT ?1, ?2, max(?2, coalesce((SELECT max(ts) FROM page_view WHERE user = ?3), 0)), sources
FROM (SELECT max(id) AS sources FROM progress) WHERE sources IS NOT NULL
ON CONFLICT (digest) DO UPDATE SET
    erased = max(erased, excluded.erased),
    until = max(until, excluded.until),
    sources = max(sources, excluded.sources)
"""
_DROP_OLDEST = """
DELETE FROM erased_user WHERE digest IN (
    SELECT digest FROM erased_user ORDER BY erased
    LIMIT max(0, (SELECT count(*) FROM erased_user) - ?)
)
"""
_DROP_NEEDLESS = """
DELETE FROM erased_user WHERE NOT EXISTS (SELECT 1 FROM progress WHERE id <= sources)
"""
_SINCE = "SELECT digest, until FROM erased_user WHERE erased >= ?"


class Erasures:
    """A snapshot of the erased users; true if there are any. It does not see later erasures."""

    def __init__(self, until: Mapping[bytes, int], hasher: Hasher) -> None:
        """`until` maps digests to the instant in ms up to which page views must not come back."""
        self._until = until
        self._hasher = hasher

    def __bool__(self) -> bool:
        return bool(self._until)

    def has_any(self, user_ids: Iterable[str]) -> bool:
        """Return whether one of the ids belongs to a user who was erased."""
        return any(self._hasher.digest(user_id) in self._until for user_id in user_ids)

    def without(self, views: "PageViews") -> "tuple[PageViews, int]":
        """Return the page views without those that were erased, and the number left out.

        Page views made after the erasure of their user stay.
        """
        if not self:
            return views, 0
        import numpy as np

        nothing = -1  # before all instants
        digests = map(self._hasher.digest, views.user_ids)
        until = np.array([self._until.get(digest, nothing) for digest in digests], np.int64)
        if not len(views) or until.max(initial=nothing) == nothing:
            return views, 0
        kept = views.instants > until[views.users]
        remaining = dataclasses.replace(
            views,
            users=views.users[kept],
            instants=views.instants[kept],
            pages=views.pages[kept],
        )
        return remaining, len(views) - len(remaining)


def remember(connection: sqlite3.Connection, digest: bytes, user: int, now: int) -> None:
    """Remember a user (by digest and key) who is erased at `now` (ms), if files are watched.

    Call it within the write transaction, before page views are deleted.
    """
    if connection.execute(_REMEMBER, (digest, now, user)).rowcount > 0:
        connection.execute(_DROP_OLDEST, (_MOST,))


def drop_needless(connection: sqlite3.Connection) -> None:
    """Forget users who were erased before the first line of any known file was read."""
    connection.execute(_DROP_NEEDLESS)


def erasures_since(connection: Connection, instant: int) -> Erasures:
    """Return the remembered users who were erased at an instant (ms) or later."""
    until = dict(connection.execute(_SINCE, (instant,)).fetchall())
    return Erasures(until, connection.hasher)

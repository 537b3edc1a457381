"""Deletes what the store holds of a user, in short transactions between which others can write.

First the user's row in `user` is emptied: from then on the user is unknown. A row in `erasure` says
that there is more to delete. If the process is killed, another process finishes its work.

The pages of deleted page views are candidates (`doomed_page`): their names are erased if no other
user viewed them. To find that out, all other page views are read without the store's lock, once
those of the user are deleted. A transaction that adds a page view meanwhile also removes the page
from the candidates. If page views are missed because another user is erased at the same time, their
pages become candidates of that other user.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from behavstats.model.timestamps import DAY, MINUTE
from behavstats.store.sqlite.connection import Access, Connection, json_array
from behavstats.store.sqlite.erased_users import remember
from behavstats.store.sqlite.rollup_refresh import drop_derived

# The limits of one transaction, which takes a few ms.
_ROWS_AT_ONCE = 1_000
_NAMES_AT_ONCE = 500
_LOOKED_AT_ONCE = 50_000  # page views, without the lock

_ABANDONED = MINUTE  # without progress
_KEPT = DAY  # after an erasure was finished

_FIND = "SELECT id FROM user WHERE hash = ? AND user_id = ?"
_BLANK_USER = "UPDATE user SET user_id = NULL, hash = NULL WHERE id = ?"
_BEGIN = """
INSERT INTO erasure (user, digest, page_views, page_names, rejected_lines, touched, finished)
VALUES (?, ?, 0, 0, 0, ?, 0)
"""
_FIND_BY_DIGEST = "SELECT user FROM erasure WHERE digest = ?"
_COUNT_LINES = "UPDATE erasure SET rejected_lines = rejected_lines + ? WHERE user = ?"
_COUNT_VIEWS = "UPDATE erasure SET page_views = page_views + ?, touched = ? WHERE user = ?"
_COUNT_NAMES = "UPDATE erasure SET page_names = page_names + ?, touched = ? WHERE user = ?"
_COUNTS = """
SELECT sum(page_views), sum(page_names), sum(rejected_lines)
FROM erasure WHERE user IN (SELECT value FROM json_each(?))
"""
_UNFINISHED = "SELECT 1 FROM erasure WHERE user = ? AND NOT finished"
_FIND_ABANDONED = "SELECT user FROM erasure WHERE NOT finished AND abs(? - touched) > ?"
_FINISH = """
UPDATE erasure SET finished = 1, touched = ?2
WHERE user = ?1
  AND NOT EXISTS (SELECT 1 FROM page_view WHERE user = ?1)
  AND NOT EXISTS (SELECT 1 FROM unsettled_day WHERE user = ?1)
  AND NOT EXISTS (SELECT 1 FROM dated_by_arrival WHERE user = ?1)
  AND NOT EXISTS (SELECT 1 FROM summary WHERE user = ?1)
"""
_CLEAR_DIGEST = "UPDATE erasure SET digest = NULL WHERE user = ?"
_DROP_OLD = "DELETE FROM erasure WHERE finished AND abs(? - touched) > ?"

_DELETE_MESSAGES = """
DELETE FROM dated_by_arrival
WHERE (user, message) IN (SELECT user, message FROM dated_by_arrival WHERE user = ? LIMIT ?)
"""
_LAST_OF_SOME = "SELECT ts, page FROM page_view WHERE user = ? ORDER BY ts, page LIMIT 1 OFFSET ?"
_ADD_CANDIDATES = """
INSERT OR REPLACE INTO doomed_page (page, user)
SELECT DISTINCT page, user FROM page_view WHERE user = ? AND (ts, page) <= (?, ?)
"""
_DELETE_VIEWS = "DELETE FROM page_view WHERE user = ? AND (ts, page) <= (?, ?)"

_ANY_CANDIDATE = "SELECT 1 FROM doomed_page LIMIT 1"
_HAS_CANDIDATES = "SELECT 1 FROM doomed_page WHERE user = ? LIMIT 1"
_SOME_CANDIDATES = "SELECT page FROM doomed_page WHERE user = ? AND page > ? ORDER BY page LIMIT ?"
_DROP_CANDIDATE = "DELETE FROM doomed_page WHERE page = ? AND user = ?"
_KEEP_PAGES = "DELETE FROM doomed_page WHERE page IN (SELECT value FROM json_each(?))"
_END = """
SELECT user, ts, page FROM page_view WHERE (user, ts, page) > (?, ?, ?)
ORDER BY user, ts, page LIMIT 1 OFFSET ?
"""
_VIEWED = """
SELECT DISTINCT doomed_page.page, doomed_page.user
FROM page_view CROSS JOIN doomed_page ON doomed_page.page = page_view.page
WHERE (page_view.user, ts, page_view.page) > (?, ?, ?)
  AND (page_view.user, ts, page_view.page) <= (?, ?, ?)
  AND doomed_page.user = ?
"""
_BLANK_PAGE = "UPDATE page SET name = NULL, hash = NULL WHERE id = ?"

_BEFORE_ALL = (-1, -1, -1)
_AFTER_ALL = (b"", b"", b"")  # SQLite sorts blobs after all numbers

_Row = TypeVar("_Row")


def is_known(connection: Connection, user_id: str) -> bool:
    """Return whether the store has page views of a user, or is erasing them."""
    hasher = connection.hasher
    found = connection.execute(_FIND, (hasher.hash(user_id), user_id)).fetchone()
    return bool(found or connection.execute(_FIND_BY_DIGEST, (hasher.digest(user_id),)).fetchone())


def begin(store: Access, user_id: str, lines: int) -> list[int]:
    """Make a user unknown; return the user's keys for which there is more to delete.

    `lines` is how many rejected lines were erased for the user. There is no key if no page view is
    stored, and there are several if an earlier erasure was interrupted and the user came back.
    """
    with store.writing() as connection:
        now, digest = store.clock(), connection.hasher.digest(user_id)
        connection.execute(_DROP_OLD, (now, _KEPT))
        hashed = connection.hasher.hash(user_id)
        for (user,) in connection.execute(_FIND, (hashed, user_id)).fetchall():
            store.forget_keys()
            remember(connection, digest, user, now)
            connection.execute(_BLANK_USER, (user,))
            connection.execute(_BEGIN, (user, digest, now))
        users = [user for (user,) in connection.execute(_FIND_BY_DIGEST, (digest,))]
        connection.executemany(_COUNT_LINES, [(lines, user) for user in users[-1:]])
    return users


def finish(store: Access, user: int) -> None:
    """Delete all that is left of a user (by key) whom `begin` has made unknown."""
    while _is_unfinished(store, user):
        while _delete_some(store, user):
            pass
        _erase_names(store, user)
        with store.writing() as connection:
            connection.execute(_FINISH, (user, store.clock()))


def finish_abandoned(store: Access) -> None:
    """Finish erasures that made no progress for a while, since their processes were killed."""
    with store.reading() as connection:
        users = connection.execute(_FIND_ABANDONED, (store.clock(), _ABANDONED)).fetchall()
    for (user,) in users:
        finish(store, user)


def counts(store: Access, users: Sequence[int]) -> tuple[int, int, int]:
    """Return how many page views, page names and rejected lines were erased for keys of a user."""
    with store.reading() as connection:
        page_views, page_names, lines = connection.execute(_COUNTS, (json_array(users),)).fetchone()
    return page_views, page_names, lines


def record_receipt(store: Access, users: Sequence[int]) -> None:
    """Record that the receipt was returned: the next request finds the user unknown."""
    with store.writing() as connection:
        connection.executemany(_CLEAR_DIGEST, [(user,) for user in users])


def keep_pages(connection: Connection, pages: Callable[[], Sequence[int]]) -> None:
    """Remove pages from the candidates, within the transaction that adds page views of these pages.

    `pages` is called only if there are candidates.
    """
    if connection.execute(_ANY_CANDIDATE).fetchone() is not None:
        connection.execute(_KEEP_PAGES, (json_array(pages()),))


def _is_unfinished(store: Access, user: int) -> bool:
    with store.reading() as connection:
        return connection.execute(_UNFINISHED, (user,)).fetchone() is not None


def _delete_some(store: Access, user: int) -> bool:
    """Delete some rows of a user in a transaction; return whether there may be more."""
    with store.writing() as connection:
        # Rollups go before the page views that they summarise.
        if drop_derived(connection, user):
            return True
        if connection.execute(_DELETE_MESSAGES, (user, _ROWS_AT_ONCE)).rowcount:
            return True
        last = connection.execute(_LAST_OF_SOME, (user, _ROWS_AT_ONCE - 1)).fetchone()
        up_to = (user, *(last or _AFTER_ALL[1:]))
        connection.execute(_ADD_CANDIDATES, up_to)
        deleted = connection.execute(_DELETE_VIEWS, up_to).rowcount
        connection.execute(_COUNT_VIEWS, (deleted, store.clock(), user))
    return last is not None


def _erase_names(store: Access, user: int) -> None:
    """Erase the names of candidates that no other user viewed, and keep the other candidates.

    Call it when the user has no page views left, so that there are no new candidates.
    """
    _keep_viewed_pages(store, user)
    last: int | None = -1
    while last is not None:
        last = _erase_some_names(store, user, last)


def _keep_viewed_pages(store: Access, user: int) -> None:
    """Remove the pages that other users viewed from the candidates of a user."""
    start: tuple[object, ...] | None = _BEFORE_ALL
    while start is not None:
        with store.reading() as connection:
            if connection.execute(_HAS_CANDIDATES, (user,)).fetchone() is None:
                return
            end = connection.execute(_END, (*start, _LOOKED_AT_ONCE - 1)).fetchone()
            between = (*start, *(end or _AFTER_ALL))
            viewed = connection.execute(_VIEWED, (*between, user)).fetchall()
        for some in in_parts(viewed, _ROWS_AT_ONCE):
            with store.writing() as connection:
                connection.executemany(_DROP_CANDIDATE, some)
        start = end


def _erase_some_names(store: Access, user: int, after: int) -> int | None:
    """Erase the names of some candidates after a page; return the last of them, if any."""
    with store.writing() as connection:
        some = connection.execute(_SOME_CANDIDATES, (user, after, _NAMES_AT_ONCE)).fetchall()
        if not some:
            return None
        store.forget_keys()
        connection.executemany(_BLANK_PAGE, some)
        connection.executemany(_DROP_CANDIDATE, [(page, user) for (page,) in some])
        connection.execute(_COUNT_NAMES, (len(some), store.clock(), user))
    return int(some[-1][0])


def in_parts(rows: Sequence[_Row], size: int) -> Iterator[Sequence[_Row]]:
    """Yield some rows at a time."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]

"""Loading page views in columns, by the hundred thousand."""

import sqlite3
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from behavstats.columns import Numbers, PageViews
from behavstats.instants import DAY
from behavstats.store.settling import SAMPLED, note_unsettled, unsettle
from behavstats.store.summaries import MANY
from behavstats.store.writing import insert_rows
from behavstats.timestamps import Instants

Keys = NDArray[np.int64]
Order = NDArray[np.intp]

_ASKED_AT_ONCE = 50_000  # texts; bounds the memory that they and their keys take on the way

# CROSS JOIN, so that it is the texts that are gone through.
_FIND = """
SELECT asked.key, {table}.id FROM json_each(?) AS asked
CROSS JOIN {table} ON {table}.{column} = asked.value
"""
_ADD = "INSERT INTO {table} ({column}) SELECT value FROM json_each(?)"
_SUMMARISED = "SELECT DISTINCT user FROM summary WHERE user BETWEEN ? AND ?"
_DAY_BITS = 22  # up to the year 9999
_MANY_HERE = MANY // 4  # page views of a day, in a part of a batch
_USER = {"table": "user", "column": "user_id"}
_PAGE = {"table": "page", "column": "name"}


def ordered(connection: sqlite3.Connection, views: PageViews) -> Order:
    """Return the numbers of the page views, user by user in the order in which they are stored.

    So that each page of the file is met once. Users without a key come last, in the order in which
    they will get one. Within a user, the order in which the page views came is good enough.
    """
    keys = _find(connection, _USER, views.user_ids)
    new = keys == 0
    keys[new] = keys.max(initial=0) + 1 + np.arange(np.count_nonzero(new))
    return np.argsort(keys[views.users], kind="stable")


def insert_columns(connection: sqlite3.Connection, views: PageViews, rows: Order) -> int:
    """Insert some of the page views within the open write transaction; return how many were new."""
    users = _keys(connection, _USER, views.user_ids, views.users[rows])
    pages = _keys(connection, _PAGE, views.names, views.pages[rows])
    instants = views.instants[rows]
    added = insert_rows(connection, np.column_stack((users, instants, pages)).ravel().tolist())
    if added:
        _unsettle(connection, users, instants)
    return added


def _unsettle(connection: sqlite3.Connection, users: Keys, instants: Instants) -> None:
    """Do as `unsettle`, without a look at each page view, and note the days that have many here."""
    among = (int(users.min()), int(users.max()))
    summarised = connection.execute(_SUMMARISED, among).fetchall()
    chosen = np.isin(users, [user for (user,) in summarised]) | (instants % SAMPLED == 0)
    unsettle(connection, zip(users[chosen].tolist(), instants[chosen].tolist(), strict=True))
    days, views = np.unique(users << _DAY_BITS | instants // DAY, return_counts=True)
    heavy = days[views >= _MANY_HERE]
    of_users, starts = heavy >> _DAY_BITS, (heavy & ((1 << _DAY_BITS) - 1)) * DAY
    note_unsettled(connection, zip(of_users.tolist(), starts.tolist(), strict=True))


def _keys(
    connection: sqlite3.Connection, interned: dict[str, str], texts: list[str], numbers: Numbers
) -> Keys:
    """Return the keys of texts by their numbers, giving new ones to those that have none."""
    used = np.flatnonzero(np.bincount(numbers, minlength=len(texts)))
    found = _find(connection, interned, [texts[number] for number in used])
    missing = np.flatnonzero(found == 0)
    new = [texts[number] for number in used[missing]]
    for start in range(0, len(new), _ASKED_AT_ONCE):
        asked = _json(new[start : start + _ASKED_AT_ONCE])
        connection.execute(_ADD.format(**interned), (asked,))
    found[missing] = _find(connection, interned, new)
    keys = np.zeros(len(texts), np.int64)
    keys[used] = found
    return keys[numbers]


def _find(connection: sqlite3.Connection, interned: dict[str, str], texts: Sequence[str]) -> Keys:
    """Return the keys of texts, 0 for those that have none."""
    keys = np.zeros(len(texts), np.int64)
    for start in range(0, len(texts), _ASKED_AT_ONCE):
        asked = _json(texts[start : start + _ASKED_AT_ONCE])
        found = connection.execute(_FIND.format(**interned), (asked,)).fetchall()
        if found:
            where, values = np.array(found, np.int64).T
            keys[start + where] = values
    return keys


def _json(texts: Sequence[str]) -> str:
    return msgspec.json.encode(texts).decode()

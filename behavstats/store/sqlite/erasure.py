"""Erases a user: page views, lines and names that mention the user, and the bytes left behind."""

from behavstats.errors import UnknownUser
from behavstats.store.base import Receipt
from behavstats.store.sqlite.connection import Access
from behavstats.store.sqlite.deletion import begin, counts, finish, is_known, record_receipt
from behavstats.store.sqlite.retention import RejectedLines
from behavstats.store.sqlite.user_mentions import MentionFinder

_WATCHED = "SELECT id, name FROM source WHERE name IS NOT NULL"


def erase_user(store: Access, rejected: RejectedLines, user_id: str) -> Receipt:
    """Erase all that the store holds of a user, in short transactions.

    Rejected lines go first, because only they need the id; another process can finish the rest.
    Raises UnknownUser if the store has neither a page view of the user nor a rejected line of the
    user's own. Then nothing is erased, since a mistyped id may be any word.
    """
    ids, is_any_own, after = rejected.find(user_id)
    with store.reading() as connection:
        if not is_any_own and not is_known(connection, user_id):
            raise UnknownUser(user_id)
    lines = rejected.erase(ids)
    rejected.erase_sources(user_id)
    _erase_sources(store, user_id)
    users = begin(store, user_id, lines)
    # Erase lines that came while the user was still known; later lines belong to a new user.
    ids, _, _ = rejected.find(user_id, after, rounds=1)
    late = rejected.erase(ids)
    for user in users:
        finish(store, user)
    page_views, page_names, lines = counts(store, users) if users else (0, 0, lines)
    store.overwrite(f"{page_views:,} page views")
    record_receipt(store, users)
    return Receipt(user_id, page_views, page_names, lines + late)


def _erase_sources(store: Access, user_id: str) -> None:
    """Erase the names of watched files that mention a user; lines from these files stay."""
    finder = MentionFinder(user_id)
    with store.reading() as connection:
        watched = connection.execute(_WATCHED).fetchall()
    erased = [(source,) for source, name in watched if finder.is_in(name)]
    if erased:
        with store.writing() as connection:
            connection.executemany("UPDATE source SET name = NULL WHERE id = ?", erased)

"""The promise, and how it is checked: against the store's file, and against the oracle."""

import sqlite3
from contextlib import closing

from behavstats.errors import NoStore
from behavstats.model.page_view import PageView
from behavstats.model.profile import profile, window
from behavstats.store import open_store
from tests.conftest import files_of
from tests.support import oracle
from tests.support.histories import triples

_ALL = """
SELECT user_id, ts, name FROM page_view
LEFT JOIN user ON user.id = page_view.user LEFT JOIN page ON page.id = page_view.page
"""
_BUT_FOR_THE_ERASED = "WHERE page_view.user NOT IN (SELECT user FROM erasure WHERE NOT finished)"
_HAS_ERASURES = "SELECT 1 FROM sqlite_schema WHERE name = 'erasure'"  # older stores have none


def stored(db):
    """Return all page views of a store, read with nothing but SQL; none is there twice.

    Leaves out page views of users whose erasure was interrupted and not finished yet.
    """
    with closing(sqlite3.connect(f"{db.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        has_erasures = connection.execute(_HAS_ERASURES).fetchone()
        query = _ALL + _BUT_FOR_THE_ERASED if has_erasures else _ALL
        rows = [PageView(*row) for row in connection.execute(query)]
    views = set(rows)
    assert len(rows) == len(views), "a page view is there twice"
    return views


def keeps_its_promise(db, acknowledged, sent):
    """Check a store: it opens, is sound, has all that was acknowledged and nothing never sent.

    Returns all its page views. Where its making was cut off there is none, and none was reported.
    """
    try:
        with open_store(db, lock_timeout=30) as store:
            assert list(store.check()) == []
    except NoStore:
        assert not acknowledged
        return set()
    views = stored(db)
    lost, invented = set(acknowledged) - views, views - set(sent)
    assert not lost, f"{len(lost)} acknowledged page views are lost: {[*lost][:3]}"
    assert not invented, f"{len(invented)} page views were never sent: {[*invented][:3]}"
    return views


def agrees_with_the_oracle(db, views, as_ofs):
    """Compare the profile of each user at some instants with that of the oracle."""
    by_user = {}
    for view in views:
        by_user.setdefault(view.user_id, []).append(view)
    with open_store(db, lock_timeout=30) as store:
        for user_id, theirs in by_user.items():
            for as_of in as_ofs:
                wanted = window(as_of)
                answer = profile(user_id, store.summary(user_id, wanted), wanted.days)
                assert answer == oracle.profile(triples(theirs), user_id, as_of)


class Ledger:
    """The requests that clients sent and the answers they got, over any number of loads."""

    def __init__(self) -> None:
        self.sent, self.acknowledged = set(), set()
        # Sets of page views that were sent in one request: all of one, or nothing.
        self.batches = []
        # Names of page views whose messages have no time of their own.
        self.sent_undated, self.acknowledged_undated = set(), set()
        # Users whom somebody asked to erase, and those of them for whom there was a receipt.
        self.leaving, self.gone = set(), set()

    def holds(self, db, others=()):
        """Check a store against requests and answers; return all its page views.

        `others` are page views that were acknowledged elsewhere.
        """
        there = stored(db) if db.exists() and db.stat().st_size else set()
        undated = [view for view in there if view.name in self.sent_undated]
        names = {view.name for view in undated}
        assert len(undated) == len(names), "a message that was sent again counts twice"
        assert names >= self.acknowledged_undated, "a message without a time is lost"
        kept = {view for view in self.acknowledged if view.user_id not in self.leaving}
        views = keeps_its_promise(db, kept.union(others, undated), self.sent.union(others, undated))
        halves = [batch for batch in self.batches if batch & views and not batch <= views]
        assert not halves, f"{len(halves)} batches are there by half"
        assert not {view.user_id for view in views} & self.gone, "who was erased is there again"
        whole = b"".join(files_of(db).values())
        assert not [user for user in self.gone if user.encode() in whole], "bytes are left"
        return views

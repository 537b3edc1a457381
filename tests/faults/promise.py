"""The promise, and how it is checked: against the store's file, and against the oracle."""

import sqlite3
from contextlib import closing

from behavstats.errors import NoStore
from behavstats.events import PageView
from behavstats.profile import profile, window
from behavstats.store import Store
from tests import oracle
from tests.histories import triples

_ALL = """
SELECT user_id, ts, name FROM page_view
LEFT JOIN user ON user.id = page_view.user LEFT JOIN page ON page.id = page_view.page
"""


def stored(db):
    """Return all page views of a store, read with nothing but SQL; none is there twice."""
    with closing(sqlite3.connect(f"{db.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        rows = [PageView(*row) for row in connection.execute(_ALL)]
    views = set(rows)
    assert len(rows) == len(views), "a page view is there twice"
    return views


def keeps_its_promise(db, acknowledged, sent):
    """Check a store: it opens, is sound, has all that was acknowledged and nothing never sent.

    Returns all its page views. Where its making was cut off there is none, and none was reported.
    """
    try:
        with Store.open(db, patience=30) as store:
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
    """Compare the profile of each user at some instants with what the oracle makes of the views."""
    by_user = {}
    for view in views:
        by_user.setdefault(view.user_id, []).append(view)
    with Store.open(db, patience=30) as store:
        for user_id, theirs in by_user.items():
            for as_of in as_ofs:
                wanted = window(as_of)
                answer = profile(user_id, store.summary(user_id, wanted), wanted.days)
                assert answer == oracle.profile(triples(theirs), user_id, as_of)

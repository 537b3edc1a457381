"""Helpers for tests of the store: a page view, ways to add page views, and the store's content."""

import pytest

from behavstats.decode.vectorized import decode_block
from behavstats.errors import UnknownUser
from behavstats.model.line_block import Block
from behavstats.model.page_view import PageView
from behavstats.model.profile import detailed_profile, window
from behavstats.model.timestamps import DAY
from behavstats.store import Selection
from tests.support import oracle
from tests.support.histories import AS_OF, comparable_detail, expected_detail, line, triples

VIEW = PageView("u", AS_OF, "/")


def export(store, user_id):
    """All page views of a user, sorted; None if the user is unknown."""
    try:
        views = [view for views in store.page_views(user_id) for view in views]
    except UnknownUser:
        return None
    assert [view.instant for view in views] == sorted(view.instant for view in views)
    return sorted(views, key=lambda view: (view.instant, view.name))


def rejections_of(store):
    """All rejected lines that a store keeps, in the order in which they arrived."""
    return [rejection for _, rejection in store.rejected.read(Selection())]


def columns(views):
    """Page views in columns."""
    lines = b"".join(map(line, views)) or b"\n"
    decoded, rejections, _ = decode_block(Block("history", 1, 0, lines, len(lines)), AS_OF + DAY)
    assert rejections == []
    return decoded


def load(store, views):
    """Store page views in columns; return how many were new."""
    return sum(added for _, added in store.load(columns(views)))


def check_profile(store, views, user_id, as_of, days):
    """Compare a profile and its details with those that the oracle computes from all page views."""
    wanted = window(as_of, days)
    expected = oracle.profile(triples(views), user_id, as_of, days)
    if expected is None:
        with pytest.raises(UnknownUser):
            store.summary(user_id, wanted)
        return
    answer = detailed_profile(user_id, store.summary(user_id, wanted), wanted)
    assert list(answer.items())[:5] == list(expected.items())
    detail = oracle.detail(triples(views), user_id, as_of, days)
    assert comparable_detail(answer) == expected_detail(detail)

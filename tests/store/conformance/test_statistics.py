"""Statistics: what a store holds, counted."""

from collections import Counter

import pytest

from behavstats.model.page_view import PageView, Rejection
from tests.support.histories import AS_OF

# No two pages have as many views.
VIEWS = [PageView(f"user{n % 7}", AS_OF + n * 1000, f"/{int(n**0.5)}") for n in range(500)]


@pytest.fixture
def filled(store):
    store.add(VIEWS, [Rejection("file", 1, 0, 3, "invalid_json", "it is no JSON", b"???")])
    return store


def check(found, views):
    """Compare statistics with the page views themselves."""
    assert found.users == len({view.user_id for view in views})
    assert found.page_views == len(views)
    assert found.oldest == min(view.instant for view in views)
    assert found.newest == max(view.instant for view in views)
    assert found.top_pages == Counter(view.name for view in views).most_common(10)


def test_everything_is_counted(filled):
    """Users, page views, the first and the last, the top pages, rejected lines, bytes."""
    found = filled.statistics()
    check(found, VIEWS)
    assert found.rejected_lines == 1
    assert found.size > 0


def test_pages_with_as_many_views_are_sorted_by_name(store):
    """This holds even if more pages are tied than the list has room for."""
    check_ties(store)


def check_ties(store):
    """Add pages that are tied in reverse order, and see which of them are listed."""
    names = [f"/{n:02}" for n in range(40)]
    store.add([PageView("u", AS_OF, name) for name in [*reversed(names)]])
    store.add([PageView("u", AS_OF + 1, "/39")])
    listed = [("/39", 2), *((name, 1) for name in names[:9])]
    assert store.statistics().top_pages == listed


def test_an_empty_store_has_statistics(store):
    """Its numbers are 0, and its times are None."""
    found = store.statistics()
    assert found[:6] == (0, 0, None, None, [], 0)


def test_forgotten_users_are_not_counted(filled):
    """Pages that no other user viewed are not counted either."""
    filled.add([PageView("gone", AS_OF + n, "/only") for n in range(900)])
    assert filled.statistics().top_pages[0] == ("/only", 900)
    filled.forget("gone")
    check(filled.statistics(), VIEWS)

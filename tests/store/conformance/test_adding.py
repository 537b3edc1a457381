"""Page views that are added: each is stored once, and whole batches are stored."""

from behavstats.model.page_view import PageView
from tests.support.histories import AS_OF
from tests.support.stores import VIEW, export


def test_an_added_page_view_is_there_and_a_repeat_changes_nothing(store):
    """`add` returns what is new."""
    other = PageView("u", AS_OF + 1, "/")
    assert store.add([VIEW, VIEW]) == 1
    assert store.add([VIEW, other]) == 1
    assert export(store, "u") == [VIEW, other]


def test_an_empty_batch_is_fine(store):
    """A block of blank lines makes one."""
    assert store.add([]) == 0


def test_a_large_batch_is_stored_whole(store):
    """It has more rows than one statement, and more than one chunk of an export."""
    views = [PageView("u", AS_OF + number, f"/{number % 7}") for number in range(25_033)]
    assert store.add(views) == len(views)
    assert export(store, "u") == views
    assert store.add(list(reversed(views))) == 0

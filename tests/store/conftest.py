"""What the tests of the store share: a page view, and all page views of a user."""

from behavstats.errors import UnknownUser
from behavstats.events import PageView
from tests.histories import AS_OF

VIEW = PageView("u", AS_OF, "/")


def export(store, user_id):
    try:
        views = [view for views in store.page_views(user_id) for view in views]
    except UnknownUser:
        return None
    assert [view.instant for view in views] == sorted(view.instant for view in views)
    return sorted(views, key=lambda view: (view.instant, view.name))

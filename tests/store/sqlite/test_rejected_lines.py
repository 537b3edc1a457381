"""Rejected lines in SQLite: their bytes."""

from tests.store.conformance.test_rejected_lines import REJECTION
from tests.support.stores import VIEW, rejections_of


def test_cleared_rejected_lines_are_gone_from_every_byte(store, db):
    """The number of cleared lines is returned."""
    store.add([VIEW], [REJECTION._replace(text=b"a very special text")])
    assert store.rejected.clear() == 1
    assert list(rejections_of(store)) == []
    assert all(b"special" not in path.read_bytes() for path in db.parent.glob("store.db*"))
    store.add([], [REJECTION])
    assert list(rejections_of(store)) == [REJECTION]

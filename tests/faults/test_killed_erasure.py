"""SIGKILL of an erasure at random instants, while clients post: the next one finishes it."""

import shutil
import threading
import time
from contextlib import suppress

import pytest

from behavstats.errors import UnknownUser
from behavstats.model.page_view import PageView
from behavstats.store import create_store, open_store
from tests.conftest import files_of
from tests.support.histories import AS_OF

ROUNDS = 8
VIEWS = 40_000  # of the user: dozens of transactions
SECRET = "8f14e45f-ceea"


def write_store(db):
    """Make a store in which a user has many page views, each second of a page of its own."""
    with create_store(db, lock_timeout=30) as store:
        for start in range(0, VIEWS, 5_000):
            numbers = range(start, start + 5_000)
            names = [f"/{SECRET}/{n}" if n % 2 else f"/{n % 999}" for n in numbers]
            store.add(
                [PageView(SECRET, AS_OF + n, name) for n, name in zip(numbers, names, strict=True)]
            )
            store.add([PageView(f"u{n % 4_999}", AS_OF + n, f"/{n % 999}") for n in numbers])
        store.refresh_rollups()


class Poster:
    """Posts from a thread until it is left; `posted` was acknowledged."""

    def __init__(self, db):
        self.posted = []
        self._db = db
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._post)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(timeout=60)
        assert not self._thread.is_alive()

    def _post(self):
        with open_store(self._db, lock_timeout=60) as store:
            while not self._stop.is_set():
                view = PageView("poster", AS_OF + len(self.posted), f"/{len(self.posted) % 999}")
                store.add([view])
                self.posted.append(view)
                time.sleep(0.001)  # so that it does not take all of the processor


def views_of(store, user):
    try:
        return [view for views in store.page_views(user) for view in views]
    except UnknownUser:
        return []


@pytest.mark.parametrize("_part", range(2))
def test_a_killed_erasure_leaves_nobody_half_erased_and_is_finished_by_the_next(
    db, start, chance, tmp_path, _part
):
    """The user is complete or unknown; after the next erasure, no byte of the user is left.

    Page views that clients posted meanwhile are there, and `check` finds nothing, before and after.
    """
    write_store(whole := tmp_path / "whole.db")
    started = time.monotonic()
    shutil.copy(whole, db)
    assert start("forget", SECRET, "--yes").wait(timeout=300) == 0
    seconds = time.monotonic() - started
    for _ in range(ROUNDS):
        shutil.copy(whole, db)
        with Poster(db) as poster:
            erasing = start("forget", SECRET, "--yes")
            time.sleep(seconds * chance.uniform(0.1, 1.1))
            erasing.kill()
            erasing.communicate()
        with open_store(db, lock_timeout=30) as store:
            assert len(views_of(store, SECRET)) in {0, VIEWS}
            assert list(store.check()) == []
            with suppress(UnknownUser):  # as it is, if the receipt was given already
                assert store.forget(SECRET)[1:] == (VIEWS, VIEWS // 2, 0)
            with pytest.raises(UnknownUser):
                store.forget(SECRET)
            assert views_of(store, "poster") == poster.posted
            assert list(store.check()) == []
        assert not [name for name, held in files_of(db).items() if SECRET.encode() in held]

"""Power loss at any instant: what was acknowledged before is there, and the store is sound."""

import gzip
import threading
from itertools import count
from pathlib import Path

import pytest

from behavstats.model.page_view import PageView
from behavstats.model.timestamps import format_instant
from behavstats.store import create_store
from tests.conftest import user_path
from tests.faults.power import Acknowledgements, Disk, images, operations, some_of
from tests.faults.promise import keeps_its_promise, stored
from tests.faults.waiting import wait_until
from tests.support.histories import AS_OF, line

FILES = Path(__file__).parents[1] / "store" / "sqlite" / "files"


def agrees_with_the_files(db, record, disk):
    """Check that nothing is missing in a record: played back, it is what the files hold."""
    for operation in operations(record):
        disk.do(operation)
    contents = disk.contents()
    assert contents.pop("") == db.read_bytes()
    for beside, content in contents.items():
        assert Path(f"{db}{beside}").read_bytes() == content


class Client(threading.Thread):
    """Posts page views of a user one after the other, and notes in the record which are there."""

    def __init__(self, server, noted, numbers, views):
        super().__init__()
        self.server, self.noted, self.numbers, self.views = server, noted, numbers, views
        self.ends = threading.Event()
        self.fault = None

    def run(self):
        try:
            while not self.ends.is_set():
                number = next(self.numbers)
                view = PageView(f"user{number % 5}", AS_OF - number * 17, f"/{number % 31}")
                self.views[number] = view
                assert self.server.post(*view_of(view)) == 200
                self.noted.note(number)
        except Exception as error:
            self.fault = error


def view_of(view):
    return view.user_id, view.name, format_instant(view.instant)


def test_what_was_acknowledged_under_load_survives(
    db, start_server, start, chance, recorded, tmp_path
):
    """Posts by several clients, an ingest meanwhile: of each image, all that was noted before it.

    And nothing that was never sent; the store opens, is sound, and takes the next page view.
    """
    environment, record = recorded
    file = tmp_path / "events.jsonl"
    ingested = [PageView(f"user{n % 97}", AS_OF - n, f"/i/{n % 11}") for n in range(8_000)]
    file.write_bytes(b"".join(map(line, ingested)))
    noted, numbers, views = Acknowledgements(record), count(1), {}
    server = start_server(env=environment)
    clients = [Client(server, noted, numbers, views) for _ in range(5)]
    for client in clients:
        client.start()
    ingest = start("ingest", file, env=environment)
    ingest.communicate(timeout=120)
    assert ingest.returncode == 0
    noted.note(0)
    enough = len(views) + 400
    wait_until(lambda: len(views) >= enough or any(c.fault for c in clients), "posts go on")
    for client in clients:
        client.ends.set()
    for client in clients:
        client.join(timeout=120)
        assert client.fault is None
    assert server.stop() == 0
    noted.close()
    agrees_with_the_files(db, record, Disk(db))

    sent = {*ingested, *views.values()}
    at = some_of(record, chance, 120)
    for disk, image in images(Disk(db), record, at, chance, tmp_path):
        known = {views[number] for number in disk.acknowledged if number}
        known |= set(ingested) if 0 in disk.acknowledged else set()
        assert keeps_its_promise(image, known, sent) or not known
        with create_store(image, lock_timeout=5) as store:
            assert store.add([PageView("after", AS_OF, "/")]) == 1
            assert list(store.check()) == []


def test_a_store_that_is_being_made_is_made_or_not(db, start, chance, recorded, tmp_path):
    """The power may fail at each instant; the next ingest then creates the store or continues."""
    environment, record = recorded
    views = {PageView("u", AS_OF - n, "/") for n in range(100)}
    Path("events.jsonl").write_bytes(b"".join(map(line, views)))
    ingest = start("ingest", "events.jsonl", env=environment)
    ingest.communicate(timeout=120)
    assert ingest.returncode == 0
    noted = Acknowledgements(record)
    noted.note(0)
    noted.close()
    agrees_with_the_files(db, record, Disk(db))
    every = 3 * [*range(sum(1 for _ in operations(record)))]
    for disk, image in images(Disk(db), record, every, chance, tmp_path):
        keeps_its_promise(image, views if disk.acknowledged else (), views)
        with create_store(image, lock_timeout=5) as store:
            store.add([*views])
        assert stored(image) == views


@pytest.mark.parametrize("version", [1, 2])
def test_a_store_that_is_led_to_a_new_version_loses_nothing(
    db, start, chance, recorded, tmp_path, version
):
    """It is of the old version afterwards, or of the new one, with all its page views."""
    environment, record = recorded
    old = gzip.decompress((FILES / f"version-{version}.db.gz").read_bytes())
    db.write_bytes(old)
    views = stored(db)
    check = start("check", env=environment)
    assert check.wait(timeout=120) == 0
    agrees_with_the_files(db, record, Disk(db, old))
    every = [*range(sum(1 for _ in operations(record)))]
    for _, image in images(Disk(db, old), record, every, chance, tmp_path):
        assert keeps_its_promise(image, views, views) == views


def test_who_was_erased_stays_erased(db, start_server, chance, recorded, tmp_path):
    """After the receipt no image holds the user, in no byte of it."""
    environment, record = recorded
    server = start_server(env=environment)
    noted = Acknowledgements(record)
    for number in range(40):
        view = PageView(f"user-{number:03}-secret", AS_OF - number, f"/of/{number:03}-secret")
        assert server.post(*view_of(view)) == 200
        assert server.post("other", "/", format_instant(AS_OF + number)) == 200
        assert server.request("DELETE", user_path(view.user_id))[0] == 200
        noted.note(number)
    assert server.stop() == 0
    noted.close()
    at = some_of(record, chance, 200)
    for disk, image in images(Disk(db), record, at, chance, tmp_path):
        whole = b"".join(path.read_bytes() for path in image.parent.iterdir())
        assert not [n for n in disk.acknowledged if b"%03d-secret" % n in whole]
        with create_store(image, lock_timeout=5) as store:
            assert list(store.check()) == []

"""One page view that comes by several routes is counted once, whatever its sender's clock says."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from behavstats.decode.segment import Arrival
from behavstats.ingest.pipeline import ingest
from behavstats.model.page_view import PageView
from behavstats.model.timestamps import HOUR, MINUTE, format_instant
from behavstats.server.messages import parse_batch
from behavstats.server.payload import parse_payload
from behavstats.store import create_store
from tests.support.followed import drain
from tests.support.histories import AS_OF
from tests.support.stores import export

USERS = ("u", "v")


def message(number, sent_at=None):
    """A message of its own user, page and time, by a clock that is two hours behind."""
    told = {
        "type": "page",
        "userId": USERS[number % 2],
        "name": f"/{number}",
        "messageId": f"m{number}",
        "timestamp": format_instant(AS_OF - 2 * HOUR + number),
    }
    return told if sent_at is None else told | {"sentAt": format_instant(sent_at)}


class Routes:
    """The ways into one store; the clock there is `now`."""

    def __init__(self, folder):
        self.store = create_store(folder / "store.db", lock_timeout=10)
        self.now = AS_OF
        self._folder = folder
        self._files = 0
        (folder / "followed").mkdir()

    def post(self, numbers, off):
        for number in numbers:
            self._take([json.dumps(message(number, self.now - off)).encode()])

    def batch(self, numbers, off):
        body = json.dumps({"batch": [message(number, self.now - off) for number in numbers]})
        self._take(parse_batch(body.encode()).batch)

    def ingest(self, numbers, _):
        path = self._file(self._folder, numbers)
        ingest([str(path)], self.store, lambda: self.now)

    def watch(self, numbers, _):
        self._file(self._folder / "followed", numbers)
        drain(self.store, self._folder / "followed")

    def _take(self, messages):
        payload = parse_payload("/v1/batch", messages, Arrival(self.now))
        assert not payload.rejections
        self.store.add(payload.views)

    def _file(self, folder, numbers):
        self._files += 1
        path = folder / f"{self._files}.jsonl"
        path.write_text("".join(json.dumps(message(number)) + "\n" for number in numbers))
        return path


steps = st.tuples(
    st.sampled_from([Routes.post, Routes.batch, Routes.ingest, Routes.watch]),
    st.lists(st.integers(0, 5), min_size=1, max_size=4),
    st.sampled_from([0, 2 * HOUR, 2 * HOUR - 7, -3 * HOUR]),
)


@settings(max_examples=40)
@given(st.lists(steps, min_size=1, max_size=6))
def test_a_message_counts_once_by_whichever_routes_it_comes(tmp_path_factory, history):
    """Posted alone or in a batch with any `sentAt`, ingested, or ingested from a watched file."""
    routes = Routes(tmp_path_factory.mktemp("routes"))
    with routes.store:
        sent = set()
        for route, numbers, off in history:
            route(routes, numbers, off)
            routes.now += MINUTE
            sent |= set(numbers)
        views = [view for user in USERS for view in export(routes.store, user) or ()]
        assert sorted(view.name for view in views) == sorted(f"/{number}" for number in sent)
        assert list(routes.store.check()) == []


def test_a_message_by_a_wrong_clock_that_is_read_from_a_file_later_counts_once(tmp_path):
    """It stays dated by its arrival."""
    routes = Routes(tmp_path)
    with routes.store:
        routes.post([1], 2 * HOUR)
        routes.ingest([1], 0)
        routes.watch([1], 0)
        assert export(routes.store, "v") == [PageView("v", AS_OF + 1, "/1")]

"""Serving: GETs and POSTs against bare routes, for a heavy user, and during an ingest."""

import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from statistics import median

from bench import Bench
from load import Gets, Load, Posts
from measure import HERE, PYTHON, MeasureError, in_pairs, output, start
from peers import BEHAVSTATS, ingest_command

from behavstats.model.timestamps import DAY, HOUR

_STARTS_WITHIN, _ENDS_WITHIN = 20, 30  # seconds
_VIEWS_OF_A_USER = 50  # in a row, for users who are to stay light
_STEP = 150_000  # ms between the posts of two runs: more than one run sends
_EVER = 1_000_000_000
_BEGIN = time.time_ns() // 1_000_000 - 3 * HOUR

_runs = count()


def get(bench: Bench) -> None:
    """Compare GETs of light users' profiles with a bare hello."""
    with served(bench, "behavstats") as (ours, _), served(bench, "bare") as (bare, _):
        pairs = in_pairs(
            lambda: _send(bench, _profiles(bench), ours).rate,
            lambda: _send(bench, _hello(bench), bare).rate,
            bench.pairs,
        )
    bench.results.add_pairs("get", pairs, "{:,.0f} against {:,.0f} a second")


def post(bench: Bench) -> None:
    """Compare durable posts with a bare route."""
    store = bench.stores.copy(bench.stores.live, "posts")
    latencies: list[float] = []

    def ours(url: str) -> float:
        load = _stored(bench, _posts(bench), url, store)
        latencies.append(load.p99)
        return load.rate

    with served(bench, "behavstats", store) as (our_url, _), served(bench, "bare") as (bare_url, _):
        pairs = in_pairs(
            lambda: ours(our_url),
            lambda: _send(bench, _posts(bench), bare_url).rate,
            bench.pairs,
        )
    bench.results.add_pairs("post", pairs, "{:,.0f} against {:,.0f} a second")
    spread = f"{min(latencies):.1f} to {max(latencies):.1f} ms in {len(latencies)} runs"
    bench.results.add("post_p99", median(latencies), spread)


def heaviest(bench: Bench) -> None:
    """Compare posts for the heaviest user, in order of time and at random times, with a light one.

    A light user would not stay one: the light side posts for the next after some page views. All
    of it happens in the last hours before the present, where the heavy user's views end.
    """
    heavy_file = bench.data.heaviest_until(_BEGIN)
    store = bench.stores.copy(bench.stores.live, "posts-heaviest", heavy_file)
    user = _listed(bench, "heaviest-user", bench.scale.heaviest.user_ids)
    users, pages = bench.data.light_users, bench.data.page_names

    def light() -> Posts:
        return Posts(users, pages, _VIEWS_OF_A_USER, _present())

    def in_order() -> Posts:
        return Posts(user, pages, _EVER, _present())

    def at_random() -> Posts:
        return Posts(user, pages, _EVER, _BEGIN - 7 * DAY + next(_runs), 7 * DAY)

    with served(bench, "behavstats", store) as (url, _):
        for key, heavy in (("post_heaviest", in_order), ("post_random", at_random)):
            pairs = in_pairs(
                lambda heavy=heavy: _stored(bench, heavy(), url, store).rate,
                lambda: _stored(bench, light(), url, store).rate,
                bench.pairs,
            )
            bench.results.add_pairs(key, pairs, "{:,.0f} against {:,.0f} a second")


def during_ingest(bench: Bench) -> None:
    """Compare the p99 of GETs while another process ingests a million with that without it."""
    requests, fresh = _profiles(bench), bench.data.before

    def during() -> float:
        store = bench.stores.copy(bench.stores.live, "served")
        ingest = ingest_command(fresh, store)
        with served(bench, "behavstats", store) as (url, _):
            return bench.load.send_while(requests, url, lambda: output(ingest)).p99

    def without() -> float:
        store = bench.stores.copy(bench.stores.live, "served")
        with served(bench, "behavstats", store) as (url, _):
            return _send(bench, requests, url).p99

    pairs = in_pairs(during, without, bench.pairs)
    bench.results.add_pairs("get_during_ingest", pairs, "p99 {:.1f} against {:.1f} ms")


def _profiles(bench: Bench) -> Gets:
    """Return requests for the profiles of many light users."""
    users = bench.data.light_users.read_text().split()
    return Gets(_listed(bench, "profiles", [f"/v1/user/{user}" for user in users]))


def _hello(bench: Bench) -> Gets:
    """Return requests for the bare hello."""
    return Gets(_listed(bench, "hello", ["/hello"]))


def _posts(bench: Bench) -> Posts:
    """Return posts for light users by turns, at instants of which no other run has any."""
    return Posts(bench.data.light_users, bench.data.page_names, 1, _present())


def _present() -> int:
    """Return where the next run's instants begin, in ms: in the last hours, in order of time."""
    return _BEGIN + next(_runs) * _STEP


def _listed(bench: Bench, name: str, lines: Iterable[str]) -> Path:
    path = bench.data.folder / f"{name}.txt"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def _send(bench: Bench, requests: Gets | Posts, url: str) -> Load:
    return bench.load.send(requests, url, bench.scale.seconds)


def _stored(bench: Bench, requests: Posts, url: str, store: Path) -> Load:
    """Send posts, and see that all that were acknowledged are in the store."""
    before = _count(store)
    load = _send(bench, requests, url)
    stored = _count(store) - before
    if stored < load.requests:
        raise MeasureError(f"{load.requests:,} posts were acknowledged, {stored:,} are stored")
    return load


def _count(store: Path) -> int:
    return int(output(BEHAVSTATS.count(store)))


@contextmanager
def served(bench: Bench, kind: str, store: Path | None = None) -> Iterator[tuple[str, int]]:
    """Run a server on a store, by default a fresh copy of the live one; lend address and pid."""
    store = store or bench.stores.copy(bench.stores.live, f"served-{kind}")
    with running(kind, store) as (url, pid):
        bench.load.send(_profiles(bench) if kind == "behavstats" else _hello(bench), url, 1)
        yield url, pid


@contextmanager
def running(kind: str, store: Path) -> Iterator[tuple[str, int]]:
    """Run a server on a store, which may be empty; lend its address and its process's number."""
    port = _free_port()
    process = start([PYTHON, HERE / "servers.py", kind, store / "store.db", str(port)])
    try:
        _wait_for(process, port)
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=_ENDS_WITHIN)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    """Return once somebody listens; MeasureError if that does not happen."""
    deadline = time.monotonic() + _STARTS_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise MeasureError("the server ended, or does not listen")

"""Batches over HTTP: 500 page views a request, each request durable before its answer."""

import http.client
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from bench import Bench
from measure import MeasureError, in_pairs, peak_of_family
from peers import BEHAVSTATS
from serving import running

_VIEWS = 500
_MEGABYTE = 1_000_000
_LONG_RUN = 10  # times the views of the scale


def batches(bench: Bench) -> None:
    """Compare batches on one connection with an ingest of the same page views."""
    source, views = bench.data.million, bench.scale.views

    def posted() -> float:
        folder = bench.stores.empty("batches")
        with running("behavstats", folder) as (url, _):
            taken = _post(url, source, views)
        BEHAVSTATS.check(folder, views)
        return views / taken

    def ingested() -> float:
        return views / BEHAVSTATS.timed(source, bench.stores.folder / "ingest-batches", views)

    pairs = in_pairs(posted, ingested, bench.pairs)
    bench.results.add_pairs("batch_ingest", pairs, "{:,.0f} against {:,.0f} a second")
    spread = f"{min(pairs.first):,.0f} to {max(pairs.first):,.0f} in {bench.pairs} runs"
    bench.results.add("batch", median(pairs.first), spread)


def memory(bench: Bench) -> None:
    """Look at the server's memory after ten million page views in batches."""
    views = _LONG_RUN * bench.scale.views
    folder = bench.stores.empty("batches-memory")
    with running("behavstats", folder) as (url, pid):
        taken = _post(url, bench.data.large, views)
        peak = peak_of_family(pid) / _MEGABYTE
    BEHAVSTATS.check(folder, views)
    figures = f"both processes; {views / taken:,.0f} page views a second all along"
    bench.results.add("batch_memory", peak, figures)


def _post(url: str, source: Path, views: int) -> float:
    """Post the first page views of a file, one batch after the other; return the seconds."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    taken = 0.0
    for body in _bodies(source, views):
        begin = time.perf_counter()
        connection.request("POST", "/v1/batch", body)
        answer = connection.getresponse()
        said = answer.read()
        taken += time.perf_counter() - begin
        if answer.status != 200:
            raise MeasureError(f"a batch was answered with {answer.status}: {said.decode()}")
    connection.close()
    return taken


def _bodies(source: Path, views: int) -> Iterator[bytes]:
    with source.open("rb") as lines:
        chosen = islice(lines, views)
        while batch := [*islice(chosen, _VIEWS)]:
            yield b'{"batch": [' + b",".join(batch) + b"]}"

"""Metrics: what the server counts and times, in the format of Prometheus."""

import math
import time
from collections import Counter as Counts
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    Metric,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from behavstats.errors import StoreError
from behavstats.ingest import shared_counts
from behavstats.logs import Answered
from behavstats.model.page_view import PageView
from behavstats.model.timestamps import SECOND
from behavstats.server.payload import Payload
from behavstats.store import Store

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_REFRESH_SECONDS = 60.0
_PAGE_VIEWS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000)


# Otherwise, each series gets another one with the time at which it was created.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """Counts what has happened since the server's start, and shows the state of its store."""

    def __init__(
        self,
        store: Store,
        clock: Callable[[], int],
        watched: Callable[[], Iterable[tuple[str, str, int]]] = lambda: (),
        lags: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        """Count for a store; `clock` returns ms since the epoch.

        `watched` returns counts of the lines ingested from watched files since the start, in the
        form of `SharedCounts.read`. `lags` returns how many bytes of each watched file are not
        ingested yet, by the file's path; it may raise StoreError.
        """
        registry = self._registry = CollectorRegistry()
        self._added, self._duplicates, self._others, self._rejected = _counters(registry)
        self._requests = Histogram(
            "behavstats_request_seconds",
            "Requests by route and status, and how long their answers took.",
            ("method", "route", "status"),
            buckets=_SECONDS,
            registry=registry,
        )
        self._commits, self._commit_seconds = _commit_histograms(registry)
        # Finding a child by its labels takes as long as counting.
        self._timed = cache(lambda *labels: self._requests.labels(*labels).observe)
        self._watched = watched
        self._counted = Counts[tuple[str, str]]()
        self._newest = _Newest(store)
        registry.register(_StoreCollector(store, self._newest, clock, lags))
        ProcessCollector(registry=registry)

    def answered(self, answered: Answered) -> None:
        """Count a request that was answered."""
        self._timed(answered.method, answered.route, answered.status)(answered.seconds)

    def accepted(self, payload: Payload) -> None:
        """Count the messages of a payload that are not page views, or were rejected."""
        for kind, count in payload.non_page_messages.items():
            self._others.labels(kind).inc(count)
        for rejection in payload.rejections:
            self._rejected.labels(rejection.reason).inc()

    def committed(self, views: Sequence[PageView], added: int, seconds: float) -> None:
        """Count a commit, and how many of its page views were new."""
        self._added.inc(added)
        self._duplicates.inc(len(views) - added)
        self._commits.observe(len(views))
        self._commit_seconds.observe(seconds)
        self._newest.update(max((view.instant for view in views), default=0))

    def text(self) -> bytes:
        """Return all metrics, in the format of Prometheus."""
        self._count_watched()
        return generate_latest(self._registry)

    def _count_watched(self) -> None:
        """Add the counts of watched files since the last call."""
        for name, label, count in self._watched():
            more = count - self._counted[name, label]
            self._counted[name, label] = count
            match name:
                case shared_counts.ADDED:
                    self._added.inc(more)
                case shared_counts.DUPLICATES:
                    self._duplicates.inc(more)
                case shared_counts.REJECTED:
                    self._rejected.labels(label).inc(more)
                case shared_counts.OTHERS:
                    self._others.labels(label).inc(more)


def _counters(registry: CollectorRegistry) -> Iterator[Counter]:
    """Yield the counters of new and duplicate page views, other messages, and rejections."""
    for name, description, *labels in (
        ("page_views_added", "Page views that were new."),
        ("page_views_duplicate", "Page views that were stored already."),
        ("other_messages", "Messages that are not page views.", "kind"),
        ("rejected", "Messages, and lines of watched files, that were rejected.", "reason"),
    ):
        yield Counter(f"behavstats_{name}", description, labels, registry=registry)


def _commit_histograms(registry: CollectorRegistry) -> Iterator[Histogram]:
    """Yield the histograms of the page views and of the seconds of commits."""
    for name, description, buckets in (
        ("page_views", "Page views that shared a commit.", _PAGE_VIEWS),
        ("seconds", "How long commits took.", _SECONDS),
    ):
        yield Histogram(
            f"behavstats_commit_{name}", description, buckets=buckets, registry=registry
        )


class _Newest:
    """Knows the instant of the newest page view, with up to a minute's delay.

    The store has no index by instant, because an index would slow each insert. Page views that this
    process stores count at once. Changes by other processes are found by scanning the store, at
    most once a minute.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._scanned = -math.inf
        self._instant = 0

    def update(self, instant: int) -> None:
        self._instant = max(self._instant, instant)

    def instant(self) -> int:
        """Return the instant in ms since the epoch, or 0 if there are no page views."""
        if time.monotonic() > self._scanned + _REFRESH_SECONDS:
            self._instant = self._store.newest()
            self._scanned = time.monotonic()
        return self._instant


class _StoreCollector(Collector):
    """Measures the store and the watched files when metrics are requested."""

    def __init__(
        self,
        store: Store,
        newest: _Newest,
        clock: Callable[[], int],
        lags: Callable[[], Mapping[str, int]],
    ) -> None:
        self._store = store
        self._newest = newest
        self._clock = clock
        self._lags = lags

    def describe(self) -> Iterable[Metric]:
        """Describe nothing, so that registering does not collect."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield the present state of the store."""
        for name, size in self._store.sizes().items():
            yield GaugeMetricFamily(f"behavstats_{name}_bytes", f"Size of the {name}.", size)
        with suppress(StoreError):
            newest = self._newest.instant()
            age = (self._clock() - newest) / SECOND if newest else math.nan
            words = "How long ago the newest page view was."
            yield GaugeMetricFamily("behavstats_newest_page_view_age_seconds", words, age)
            yield self._lag()

    def _lag(self) -> Metric:
        words = "Bytes of a watched file that are not ingested yet."
        gauge = GaugeMetricFamily("behavstats_source_lag_bytes", words, labels=["source"])
        for name, lag in self._lags().items():
            gauge.add_metric([name], lag)
        return gauge

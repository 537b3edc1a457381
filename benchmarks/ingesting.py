"""Ingest: against the peers, again, into a large store; and its memory."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from bench import Bench
from datasets import count_lines
from measure import Pairs, in_pairs, peak_memory, size
from peers import BEHAVSTATS, CHDB, DUCKDB, SQLITE_UTILS, SQLITE_UTILS_BATCHES, Peer, ingest_command

_MEGABYTE = 1_000_000


def duckdb(bench: Bench) -> None:
    """Compare with DuckDB, by far the most used of the fast ones."""
    pairs = _against(bench, DUCKDB, bench.data.million)
    bench.results.add_pairs("ingest_duckdb", pairs, "{:,.0f} against {:,.0f} a second")


def chdb(bench: Bench) -> None:
    """Compare with the fastest peer that we know."""
    pairs = _against(bench, CHDB, bench.data.million)
    bench.results.add_pairs("ingest_chdb", pairs, "{:,.0f} against {:,.0f} a second")


def sqlite_utils(bench: Bench) -> None:
    """Compare with sqlite-utils, which takes minutes; once also in larger batches."""
    whole = bench.data.million
    pairs = _against(bench, SQLITE_UTILS, whole)
    bench.results.add_pairs("ingest_sqlite_utils", pairs, "{:,.0f} against {:,.0f} a second")
    batches = _rate(bench, BEHAVSTATS, whole) / _rate(bench, SQLITE_UTILS_BATCHES, whole)
    bench.results.remarks["ingest_sqlite_utils"] = (
        f"One run of sqlite-utils with `--batch-size 300`, which the bar does not name, gave "
        f"{batches:.0f}x."
    )


def again(bench: Bench) -> None:
    """Compare the second ingest of a file, of duplicates alone, with the first."""
    source, folder = bench.data.million, _folder(bench, BEHAVSTATS)
    views = count_lines(source)
    pairs = Pairs([], [])
    for _ in range(bench.pairs):
        pairs.second.append(views / BEHAVSTATS.timed(source, folder, views))
        pairs.first.append(views / BEHAVSTATS.timed_again(source, folder, views))
    bench.results.add_pairs("ingest_again", pairs, "{:,.0f} against {:,.0f} a second")


def into_large(bench: Bench) -> None:
    """Compare ingest into a store that holds 20 M with ingest into an empty one."""
    source = bench.data.million
    views, there = count_lines(source), bench.scale.large

    def into_it() -> float:
        folder = bench.stores.copy(bench.stores.large, "large-copy")
        return views / BEHAVSTATS.timed_again(source, folder, there + views)

    pairs = in_pairs(into_it, lambda: _rate(bench, BEHAVSTATS, source), bench.pairs)
    shutil.rmtree(bench.stores.folder / "large-copy")
    bench.results.add_pairs("ingest_into_large", pairs, "{:,.0f} against {:,.0f} a second")


def disk(bench: Bench) -> None:
    """Look at the bytes on disk, of ours, of the peers, and with users of each weight."""
    data, views = bench.data, count_lines(bench.data.million)
    weighed = views + sum(map(count_lines, (data.weights, data.heaviest)))
    parts = [f"with the heavy users {size(bench.stores.weighed) / weighed:.1f}"]
    for peer in (DUCKDB, CHDB):
        _rate(bench, peer, data.million)
        parts.append(f"{peer.name} {size(_folder(bench, peer)) / views:.1f}")
    figures = f"{'; '.join(parts)} (parts that it deletes later included)"
    bench.results.add("bytes", size(bench.stores.million) / views, figures)


def memory(bench: Bench) -> None:
    """Look for the ingest that takes the most memory."""
    peaks = {what: peak / _MEGABYTE for what, peak in _peaks(bench)}
    bench.results.memory.clear()
    bench.results.memory.update(peaks)
    worst = max(peaks, key=peaks.__getitem__)
    bench.results.add("memory", peaks[worst], f"the most for {worst}")


def _peaks(bench: Bench) -> Iterator[tuple[str, int]]:
    """Yield what is ingested, and the peak of its memory in bytes."""
    data, large = bench.data, bench.data.large
    yield "100 KB", _peak(bench, [data.hundred_kilobytes])
    yield "100 MB", _peak(bench, [data.million])
    yield "100 MB, gzip", _peak(bench, [data.gzipped(data.million)])
    yield "100 MB, zstandard", _peak(bench, [data.zstandard(data.million)])
    yield "100 MB, standard input", _peak(bench, ["-"], data.million)
    yield "100 MB in 200 files", _peak(bench, data.many)
    yield "long names and ids", _peak(bench, [data.long_texts])
    yield "2 GB", bench.stores.large_growth[2]
    yield "2 GB, gzip", _peak(bench, [data.gzipped(large)])
    yield "2 GB, zstandard", _peak(bench, [data.zstandard(large)])


def _peak(bench: Bench, sources: list[Path] | list[str], stdin: Path | None = None) -> int:
    first, *others = sources
    command = ingest_command(first, bench.stores.empty("memory"))
    return peak_memory([*command, *others], stdin)[1]


def _against(bench: Bench, peer: Peer, source: Path) -> Pairs:
    """Return the rates of both, after one run of each that fills the caches of the system."""
    for warmed in (BEHAVSTATS, peer):
        _rate(bench, warmed, bench.data.hundred_kilobytes)
    return in_pairs(
        lambda: _rate(bench, BEHAVSTATS, source), lambda: _rate(bench, peer, source), bench.pairs
    )


def _rate(bench: Bench, peer: Peer, source: Path) -> float:
    """Return the page views a second of an ingest into an empty store."""
    views = count_lines(source)
    return views / peer.timed(source, _folder(bench, peer), views)


def _folder(bench: Bench, peer: Peer) -> Path:
    return bench.stores.folder / f"ingest-{peer.name.split(maxsplit=1)[0]}"

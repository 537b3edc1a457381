"""An ingest reads sources, fills the store, and gives a report."""

import gzip

from hypothesis import given, settings
from hypothesis import strategies as st

from behavstats.ingest.pipeline import Options, ingest, try_out
from behavstats.model.page_view import PageView
from behavstats.model.profile import profile, window
from behavstats.sources import line_blocks
from behavstats.sources.compression import zstd
from behavstats.store import create_store
from behavstats.store.sqlite.store import SqliteStore
from tests.support import oracle
from tests.support.histories import AS_OF, USERS, as_ofs, histories, line, triples
from tests.support.stores import rejections_of


def clock():
    return AS_OF


VIEW = PageView("u", AS_OF, "/")


@settings(max_examples=50)
@given(histories(), st.sampled_from([bytes, gzip.compress, zstd.compress]), st.data())
def test_a_profile_of_ingested_lines_equals_that_of_the_oracle(tmp_path_factory, views, pack, data):
    """The lines come from plain or compressed files, split anywhere, and are ingested twice."""
    folder = tmp_path_factory.mktemp("ingest")
    cut = data.draw(st.integers(0, len(views)))
    paths = []
    for number, part in enumerate((views[:cut], views[cut:])):
        paths.append(str(folder / f"{number}"))
        (folder / f"{number}").write_bytes(pack(b"".join(map(line, part))))
    with create_store(folder / "store.db", lock_timeout=10) as store:
        report = ingest(paths, store, clock)
        distinct = len(set(views))
        assert (report.read, report.added) == (len(views), distinct)
        assert report.duplicates == len(views) - distinct
        again = ingest(reversed(paths), store, clock)
        assert (again.added, again.duplicates) == (0, len(views))
        as_of = data.draw(as_ofs)
        for user_id in USERS:
            expected = oracle.profile(triples(views), user_id, as_of)
            if expected is not None:
                summary = store.summary(user_id, window(as_of))
                assert profile(user_id, summary) == expected


def test_every_line_is_counted_as_added_duplicate_or_rejected(store, tmp_path):
    """Rejected lines are counted by reason, and the first five are examples."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(line(VIEW) * 2 + b"{\n\n" + b"[]\n" * 9 + line(VIEW))
    report = ingest([str(path)], store, clock)
    assert (report.read, report.added, report.duplicates) == (13, 1, 2)
    assert report.rejected == {"invalid_json": 1, "not_an_object": 9}
    assert [(bad.line, bad.reason) for bad in report.examples[:2]] == [
        (3, "invalid_json"),
        (5, "not_an_object"),
    ]
    assert len(report.examples) == 5
    assert len(list(rejections_of(store))) == 10


def test_rejected_lines_are_kept_once_even_if_a_file_is_ingested_twice(store, tmp_path):
    """A line whose text has changed is kept as another line."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"{\n{\n")
    ingest([str(path)] * 2, store, clock)
    assert [(bad.source, bad.line, bad.text) for bad in rejections_of(store)] == [
        (str(path), 1, b"{"),
        (str(path), 2, b"{"),
    ]
    path.write_bytes(b"[\n{\n")
    ingest([str(path)], store, clock)
    assert store.rejected.totals().lines == 3


def test_a_source_that_cannot_be_read_does_not_stop_the_next(store, tmp_path):
    """The report has the error; the lines before the damage are stored."""
    cut_short, good = tmp_path / "cut.gz", tmp_path / "good"
    cut_short.write_bytes(gzip.compress(line(VIEW))[:-1])
    good.write_bytes(line(PageView("v", AS_OF, "/")))
    report = ingest([str(tmp_path / "missing"), str(cut_short), str(good)], store, clock)
    assert report.added == 2
    assert [str(failure).partition(":")[0] for failure in report.failures] == [
        str(tmp_path / "missing"),
        str(cut_short),
    ]


def test_after_an_interrupt_the_stored_page_views_stay(store, tmp_path):
    """Ctrl-C comes between two blocks, while the progress bar is drawn."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(line(VIEW))

    def interrupt(_source, report):
        if report.added:
            raise KeyboardInterrupt

    report = ingest([str(path)], store, clock, interrupt)
    assert report.interrupted
    assert report.added == 1
    assert [*store.page_views("u")] == [[VIEW]]


def test_a_full_store_is_a_failure_and_the_stored_page_views_are_counted(store, tmp_path):
    """Only stored lines are counted; once there is room, the next ingest stores the rest."""
    views = [PageView(f"user{n % 97}", AS_OF - n, f"/{n % 31}") for n in range(120_000)]
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join(map(line, views)))
    store.maintain()  # opens the connection that writes
    store.database.writer.execute("PRAGMA max_page_count = 800")
    report = ingest([str(path)], store, clock)
    assert [str(failure).partition("used: ")[2] for failure in report.failures] == [
        "database or disk is full"
    ]
    assert 0 < report.read == report.added == store.counts()[0] < len(views)
    store.database.writer.execute("PRAGMA max_page_count = 1000000")
    again = ingest([str(path)], store, clock)
    assert (again.added, again.failures) == (len(views) - report.added, [])


def test_progress_is_reported_for_each_source(store, tmp_path):
    """The first call is at the start of a source, and the last one at its end."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(line(VIEW))
    seen = []
    ingest(
        [str(path)],
        store,
        clock,
        lambda source, report: seen.append((source.position, report.read)),
    )
    assert (seen[0], seen[-1]) == ((0, 0), (path.stat().st_size, 1))


def test_the_clock_is_read_for_each_block(store, tmp_path):
    """So a long ingest of a pipe accepts page views that happen meanwhile."""
    paths = [tmp_path / "1", tmp_path / "2"]
    for path in paths:
        path.write_bytes(line(VIEW))
    times = iter([AS_OF - 25 * 3_600_000, AS_OF])
    report = ingest(map(str, paths), store, lambda: next(times))
    assert (report.added, report.rejected) == (1, {"invalid_timestamp": 1})


def test_very_many_rejected_lines_are_stored_in_parts(store, tmp_path, monkeypatch):
    """So not all of the lines are in memory at the same time."""
    added = []
    load = SqliteStore.load

    def spy(store, views, rejections=(), updates=()):
        added.append(len(rejections))
        return load(store, views, rejections, updates)

    monkeypatch.setattr(SqliteStore, "load", spy)
    monkeypatch.setattr(line_blocks, "_BLOCK_LINES", 5_000)
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"x\n" * 60_000)
    report = ingest([str(path)], store, clock, options=Options(force=True))
    assert report.rejected == {"invalid_json": 60_000}
    assert 0 < max(added) <= 30_000


def test_a_source_whose_first_thousand_lines_are_all_invalid_is_not_read_on(store, tmp_path):
    """For example a CSV. These lines are kept, blank lines do not count, other sources are read."""
    csv, good = tmp_path / "events.csv", tmp_path / "good"
    csv.write_bytes(b"\n" + b"user,page,time\n\n" * 5_000 + line(VIEW))
    good.write_bytes(line(VIEW))
    report = ingest([str(csv), str(good)], store, clock)
    assert (report.added, report.rejected) == (1, {"invalid_json": 1_000})
    (failure,) = report.failures
    assert str(failure).startswith(f"{csv}: the first 1,000 lines were all rejected")
    assert "--force" in str(failure)
    assert store.rejected.totals().lines == 1_000
    report = ingest([str(csv)], store, clock, options=Options(force=True))
    assert (report.read, report.failures) == (5_001, [])


def test_a_source_with_one_valid_line_among_the_first_is_read_to_its_end(store, tmp_path):
    """Any number of invalid lines may follow, and the line may be ahead of the clock."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"x\n" * 999 + line(VIEW) + b"x\n" * 5_000)
    report = ingest([str(path)], store, lambda: AS_OF - 5 * 86_400_000)
    assert (report.read, report.failures) == (6_000, [])


def test_an_ingest_stops_at_most_rejects(store, tmp_path):
    """The page views before stay in the store."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(line(VIEW) + b"x\n" * 50)
    report = ingest([str(path)] * 2, store, clock, options=Options(most_rejects=20))
    assert (report.added, report.rejected) == (1, {"invalid_json": 20})
    assert "stopped after 20 rejected lines" in str(report.failures[0])
    assert store.rejected.totals().lines == 20
    assert not ingest([str(path)], store, clock, options=Options(most_rejects=51)).failures


def test_a_dry_run_reports_and_stores_nothing(tmp_path):
    """The report counts page views and rejected lines, and has the failures."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(line(VIEW) * 2 + b"x\n")
    report = try_out([str(path), str(tmp_path / "missing")], clock)
    assert (report.added, report.rejected, len(report.failures)) == (2, {"invalid_json": 1}, 1)
    assert [file.name for file in tmp_path.iterdir()] == ["events.jsonl"]

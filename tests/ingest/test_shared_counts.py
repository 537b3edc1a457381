"""Two processes share counts, which outlive the process that counts."""

import multiprocessing
from collections import Counter

from behavstats.ingest.report import Report
from behavstats.ingest.shared_counts import ReportCounter, SharedCounts


def count(shared):
    report = Report(added=3, rejected=Counter(invalid_json=2))
    counting = ReportCounter(shared)
    counting.update(report)
    report.added += 1
    report.non_page_messages["track"] += 5
    counting.update(report)


def test_counts_stay_after_the_process_that_counts_has_ended():
    """The next process continues from them."""
    shared = SharedCounts()
    for times in (1, 2):
        process = multiprocessing.get_context("spawn").Process(target=count, args=(shared,))
        process.start()
        process.join()
        assert {*shared.read()} == {
            ("added", "", 4 * times),
            ("rejected", "invalid_json", 2 * times),
            ("other", "track", 5 * times),
        }


def test_if_there_are_too_many_labels_the_last_count_takes_the_rest():
    """The memory is bounded, and no count is lost."""
    shared = SharedCounts()
    for number in range(200):
        shared.add("rejected", f"reason{number}", 1)
    counts = [*shared.read()]
    assert sum(count for *_, count in counts) == 200
    assert len(counts) == 64
    assert counts[-1] == ("rejected", "else", 137)

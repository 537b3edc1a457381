"""The tally that two processes share: counts that outlive the one that counts."""

import multiprocessing
from collections import Counter

from behavstats.ingest.report import Report
from behavstats.ingest.shared_counts import ReportCounter, SharedCounts


def count(tally):
    report = Report(added=3, rejected=Counter(invalid_json=2))
    counting = ReportCounter(tally)
    counting.update(report)
    report.added += 1
    report.non_page_messages["track"] += 5
    counting.update(report)


def test_what_other_processes_count_is_there_when_they_have_ended():
    """The next one goes on where the last one was."""
    tally = SharedCounts()
    for times in (1, 2):
        process = multiprocessing.get_context("spawn").Process(target=count, args=(tally,))
        process.start()
        process.join()
        assert {*tally.read()} == {
            ("added", "", 4 * times),
            ("rejected", "invalid_json", 2 * times),
            ("other", "track", 5 * times),
        }


def test_of_more_labels_than_there_is_room_for_the_rest_is_one():
    """Nothing grows without a bound, and nothing is left out."""
    tally = SharedCounts()
    for number in range(200):
        tally.add("rejected", f"reason{number}", 1)
    counts = [*tally.read()]
    assert sum(count for *_, count in counts) == 200
    assert len(counts) == 64
    assert counts[-1] == ("rejected", "else", 137)

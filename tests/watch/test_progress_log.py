"""The progress log: its messages, and how often they are written."""

import logging
from collections import Counter

from behavstats.ingest.report import Report
from behavstats.watch import progress_log
from behavstats.watch.progress_log import ProgressLog, summary


def test_progress_is_logged_at_once_and_then_every_few_seconds(caplog, monkeypatch):
    """Lines that are ingested in between are counted in the next message."""
    caplog.set_level(logging.INFO)
    log = ProgressLog()
    log.add("/a", 1_200)
    log.add("/b", 5)
    log.write(Report(added=1_000, duplicates=200, rejected=Counter(invalid_json=5)))
    log.add("/b", 1)
    log.write(Report(added=1_001, duplicates=200, rejected=Counter(invalid_json=5)))
    (message,) = caplog.messages
    assert message == (
        "ingested 1,205 lines of /a and 1 other file: "
        "1,000 page views added, 200 duplicates, 5 rejected"
    )
    monkeypatch.setattr(progress_log.time, "monotonic", lambda: float("inf"))
    log.write(Report(added=1_001, duplicates=200, rejected=Counter(invalid_json=5)))
    assert caplog.messages[1:] == [
        "ingested 1 line of /b: 1 page view added, 0 duplicates, 0 rejected"
    ]


def test_without_progress_nothing_is_logged(caplog):
    """It does not matter how often `write` is called."""
    caplog.set_level(logging.INFO)
    log = ProgressLog()
    for _ in range(3):
        log.write(Report())
    assert caplog.messages == []


def test_a_summary_says_how_to_list_rejected_lines_and_how_many_lines_were_left_out():
    """Without such lines, it is short."""
    counts = "2 page views added, 0 duplicates, 0 rejected"
    assert summary(Report(added=2)) == f"2 lines ingested: {counts}"
    report = Report(rejected=Counter(invalid_json=1), left_out=3)
    assert summary(report).endswith(
        "1 rejected (listed by: behavstats rejects), 3 of erased users left out"
    )

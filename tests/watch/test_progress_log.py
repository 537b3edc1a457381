"""The log of what was ingested: what it says, and how often."""

import logging
from collections import Counter

from behavstats.ingest.report import Report
from behavstats.watch import progress_log
from behavstats.watch.progress_log import ProgressLog, summary


def test_progress_is_logged_at_once_and_then_every_few_seconds(caplog, monkeypatch):
    """What is ingested in between is part of the next line."""
    caplog.set_level(logging.INFO)
    log = ProgressLog()
    log.add("/a", 1_200)
    log.add("/b", 5)
    log.write(Report(added=1_000, duplicates=200, rejected=Counter(invalid_json=5)))
    log.add("/b", 1)
    log.write(Report(added=1_001, duplicates=200, rejected=Counter(invalid_json=5)))
    (message,) = caplog.messages
    assert message == (
        "took 1,205 lines of /a and 1 other file: "
        "1,000 page views added, 200 duplicates, 5 rejected"
    )
    monkeypatch.setattr(progress_log.time, "monotonic", lambda: float("inf"))
    log.write(Report(added=1_001, duplicates=200, rejected=Counter(invalid_json=5)))
    assert caplog.messages[1:] == [
        "took 1 lines of /b: 1 page views added, 0 duplicates, 0 rejected"
    ]


def test_nothing_is_logged_if_nothing_was_ingested(caplog):
    """However often the log is written."""
    caplog.set_level(logging.INFO)
    log = ProgressLog()
    for _ in range(3):
        log.write(Report())
    assert caplog.messages == []


def test_a_summary_tells_how_to_list_rejected_lines_and_how_many_lines_were_left_out():
    """If there are none, it is short."""
    assert summary(Report(added=2)) == "2 lines taken: 2 page views added, 0 duplicates, 0 rejected"
    report = Report(rejected=Counter(invalid_json=1), left_out=3)
    assert summary(report).endswith(
        "1 rejected (behavstats rejects lists them), 3 of erased users left out"
    )

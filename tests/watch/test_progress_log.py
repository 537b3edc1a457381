"""ProgressLog: what the log says of what was taken, and how often."""

import logging
from collections import Counter

from behavstats.ingest.report import Report
from behavstats.watch import progress_log
from behavstats.watch.progress_log import ProgressLog, summary


def test_what_was_taken_is_said_once_for_some_seconds(caplog, monkeypatch):
    """At first at once; what comes meanwhile is part of the next line."""
    caplog.set_level(logging.INFO)
    told = ProgressLog()
    told.add("/a", 1_200)
    told.add("/b", 5)
    told.write(Report(added=1_000, duplicates=200, rejected=Counter(invalid_json=5)))
    told.add("/b", 1)
    told.write(Report(added=1_001, duplicates=200, rejected=Counter(invalid_json=5)))
    (said,) = caplog.messages
    assert said == (
        "took 1,205 lines of /a and 1 other file: "
        "1,000 page views added, 200 duplicates, 5 rejected"
    )
    monkeypatch.setattr(progress_log.time, "monotonic", lambda: float("inf"))
    told.write(Report(added=1_001, duplicates=200, rejected=Counter(invalid_json=5)))
    assert caplog.messages[1:] == [
        "took 1 lines of /b: 1 page views added, 0 duplicates, 0 rejected"
    ]


def test_where_nothing_was_taken_nothing_is_said(caplog):
    """However often one asks."""
    caplog.set_level(logging.INFO)
    told = ProgressLog()
    for _ in range(3):
        told.write(Report())
    assert caplog.messages == []


def test_a_summary_says_where_rejected_lines_are_and_what_was_left_out():
    """Where there are none, it is short."""
    assert summary(Report(added=2)) == "2 lines taken: 2 page views added, 0 duplicates, 0 rejected"
    report = Report(rejected=Counter(invalid_json=1), left_out=3)
    assert summary(report).endswith(
        "1 rejected (behavstats rejects lists them), 3 of erased users left out"
    )

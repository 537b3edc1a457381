"""What a terminal shows, and what a pipe gets."""

import io
import re

import pytest

from behavstats.cli.render.console import console
from behavstats.cli.render.rejects import rejection_lines, rejects_summary
from behavstats.cli.render.reports import IngestProgress, rejection_line
from behavstats.cli.render.statistics import statistics_tables
from behavstats.cli.render.users import profile_tables
from behavstats.ingest.report import Report
from behavstats.logs import printable
from behavstats.model.page_view import Rejection
from behavstats.model.profile import window
from behavstats.model.retention import Bounds
from behavstats.model.summary import Summary
from behavstats.store import Group, Totals
from behavstats.store.base import Statistics
from tests.support.histories import AS_OF, summary_of


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self):
        return True


def shown(renderable, file=None):
    file = file or io.StringIO()
    console(file).print(renderable)
    return file.getvalue()


def test_piped_output_has_no_colours_and_is_never_wrapped(monkeypatch):
    """Whatever width the environment claims, and however long a name is."""
    monkeypatch.setenv("COLUMNS", "20")
    name = "/" + "x" * 2000
    text = shown(profile_tables("u" * 500, summary_of([(AS_OF, name)]), window(AS_OF)))
    assert "\x1b" not in text
    assert any(name in line and line.count(name) == 1 for line in text.splitlines())
    assert "u" * 500 in text


def test_each_day_has_a_bar_in_proportion():
    """The longest bar is on the day with the most views; every date has a row."""
    run = [(AS_OF - 86_400_000, "/")] + [(AS_OF + number - 10, "/") for number in range(3)]
    rows = shown(profile_tables("u", summary_of(run), window(AS_OF))).splitlines()
    bars = [row.count("█") for row in rows if row.startswith("│ 2024-")]
    assert sorted(bars) == [0] * 6 + [10, 30]


def test_time_on_site_is_shown_with_its_unit():
    """The key of the field does not name it."""
    for milliseconds, text in ((0, "0 minutes"), (60_000, "1 minute"), (1_800_000, "30 minutes")):
        run = [(AS_OF - milliseconds, "/"), (AS_OF, "/")]
        shown_fields = shown(profile_tables("u", summary_of(run), window(AS_OF)))
        assert re.search(rf"time_spent_on_site_in_last_7_days +│ {text} +│", shown_fields)


def test_the_detail_is_a_table_of_its_own():
    """Visits, seconds on site, first and last view, if there are any."""
    summary = summary_of([(AS_OF - 90_500, "/"), (AS_OF, "/")])
    text = shown(profile_tables("u", summary, window(AS_OF), detail=True))
    assert re.search(r"│ visits +│ 1 +│\n│ seconds_on_site +│ 90.5 +│", text)
    assert re.search(r"│ first_view +│ 2024-03-01T10:28:29.500Z │", text)
    assert re.search(r"│ last_view +│ 2024-03-01T10:30:00.000Z │", text)
    empty = shown(profile_tables("u", Summary(), window(AS_OF), detail=True))
    assert re.search(r"│ first_view +│ - ", empty)


def test_statistics_are_shown_with_separators_and_units():
    """No page name controls the terminal; an empty store has no timestamps to show."""
    found = Statistics(1_000, 20_000, 0, AS_OF, [("/\x1b", 19_000)], 3, 400_000)
    text = shown(statistics_tables(found))
    for part in ("1,000", "20,000", "1970-01-01T00:00:00.000Z", "400,000 bytes", "/\\x1b"):
        assert part in text
    text = shown(statistics_tables(Statistics(0, 0, None, None, [], 0, 4096)))
    assert re.search(r"│ oldest +│ +- │", text)


def test_a_profile_without_views_can_be_shown():
    """It shows zeros, no page, and empty days."""
    text = shown(profile_tables("u", Summary(), window(AS_OF)))
    assert "│ most_viewed_page_in_last_7_days        │ -" in text
    assert "█" not in text


@pytest.mark.parametrize("text", ["\x1b[2J", "a\nb", "a\tb", "\x9b1m", "\u202e", "\x00"])
def test_data_cannot_control_the_terminal(text):
    """Control characters in names and ids are escaped."""
    assert printable(text).isprintable()
    table = shown(profile_tables(text, summary_of([(AS_OF, text)]), window(AS_OF)))
    assert text not in table


def test_markup_in_data_is_shown_as_text():
    """A page may be called [red]."""
    assert "[red]/[/red]" in shown(
        profile_tables("[bold]u", summary_of([(AS_OF, "[red]/[/red]")]), window(AS_OF))
    )


def test_printable_text_stays_as_it_is():
    """In every script."""
    assert printable("/café ☕😀日本") == "/café ☕😀日本"


def test_a_rejected_line_is_shown_with_position_and_reason():
    """Long texts are cut, and bytes that are not UTF-8 are escaped."""
    rejection = Rejection(
        "f.jsonl", 7, 0, 500, "invalid_json", "it is broken", b"\xff" + b"x" * 499
    )
    assert rejection_line(rejection) == "f.jsonl:7: invalid_json: it is broken"
    lines = [*rejection_lines(12, rejection._replace(arrived=AS_OF))]
    assert lines[:2] == ["12  2024-03-01 10:30  f.jsonl:7", "  invalid_json: it is broken"]
    assert lines[2].startswith("  \\xffxxx")
    assert lines[2].endswith("x…")
    assert max(map(len, lines)) <= 80


def test_rejects_summary_fits_80_columns():
    """It has the bounds, what was dropped, and the first and last arrival of each reason."""
    groups = [
        Group("/var/log/a.jsonl", "message_too_large", 1_234_567, AS_OF, AS_OF + 86_400_000),
        Group("/var/log/a.jsonl", "invalid_json", 1, None, None),
        Group("POST /v1/batch", "wrong_type", 2, AS_OF, AS_OF),
    ]
    lines = [*rejects_summary(Totals(3, 2_000_000, 5, 900, AS_OF), Bounds(), groups)]
    assert lines == [
        "3 rejected lines kept, 1.9 MiB (at most 100,000, 64.0 MiB, for 90 days)",
        "dropped since 2024-03-01 10:30, the oldest first: 5 lines, 900 bytes",
        "",
        "/var/log/a.jsonl  (first and last arrival, UTC)",
        "  1,234,567  message_too_large  2024-03-01 10:30  2024-03-02 10:30",
        "          1  invalid_json       -                 -               ",
        "",
        "POST /v1/batch  (first and last arrival, UTC)",
        "          2  wrong_type         2024-03-01 10:30  2024-03-01 10:30",
    ]
    assert max(map(len, lines)) <= 80


def test_progress_is_shown_only_on_a_terminal():
    """It covers all sources, and has the rate and the remaining time."""

    class Part:
        def __init__(self, name, position):
            self.name, self.position = name, position

    report = Report(added=1000, seconds=2.0)
    first, second = Part("/data/first.jsonl", 40), Part("/data/second.jsonl", 10)
    for file, watched in ((Terminal(), True), (io.StringIO(), False)):
        with IngestProgress(console(file), size=100) as progress:
            progress.update(first, report)
            progress.update(second, report)
            assert progress._progress.tasks[0].percentage == 50
        assert ("second.jsonl" in file.getvalue()) is watched
        assert ("500 a second" in file.getvalue()) is watched

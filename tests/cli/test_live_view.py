"""The table that a terminal shows while files are followed."""

import io

from behavstats.cli.live_view import LiveFiles, live
from behavstats.cli.render.console import console
from behavstats.watch.fingerprint import START
from behavstats.watch.tracked_file import TrackedFile


def followed(name, *, reached=0, size=0, rejected=0):
    place = START._replace(offset=reached)
    return TrackedFile(name, (1, 1), None, place, place, rejected, size)


def shown(files):
    out = io.StringIO()
    console(out).print(files.table())
    return [row.rstrip() for row in out.getvalue().splitlines() if row.strip()]


def cells(row):
    return [cell.strip() for cell in row.split("│")][1:-1]


def test_each_file_has_a_row_with_its_rate_lag_and_rejected_lines():
    """The rate is that of the last five seconds."""
    now = [100.0]
    files = LiveFiles(5, lambda: now[0])
    files.set_count(2)
    files.add_lines(followed("/in/a", reached=900, size=2_000, rejected=3), 50)
    now[0] += 4
    files.add_lines(followed("/in/b", reached=7, size=7), 1)
    rows = shown(files)
    assert rows[0] == "2 files followed, 51 lines read"
    assert [cells(row) for row in rows if "/in/" in row] == [
        ["/in/a", "50", "10", "1,100", "3"],
        ["/in/b", "1", "0", "0", "0"],
    ]
    now[0] += 4
    (row, _) = [cells(row) for row in shown(files) if "/in/" in row]
    assert row[2] == "0"


def test_the_most_recently_read_files_are_shown():
    """The caption counts the other files, and no name controls the terminal."""
    files = LiveFiles(2)
    for name in ("/in/a", "/in/b", "/in/c\x1b[2J", "/in/a"):
        files.add_lines(followed(name), 1)
    text = "\n".join(shown(files))
    assert "/in/a" in text
    assert "/in/c\\x1b[2J" in text
    assert "/in/b" not in text
    assert "and 1 more" in text


def test_without_a_terminal_nothing_is_shown():
    """The log is the only output."""
    out = io.StringIO()
    with live(out) as files:
        assert files is None
    assert out.getvalue() == ""

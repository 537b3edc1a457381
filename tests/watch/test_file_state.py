"""What is remembered of files: until when they are left alone, and that it is forgotten."""

import pytest

from behavstats.clock import system_clock
from behavstats.watch import file_state
from behavstats.watch.discovery import DiscoveredFile
from behavstats.watch.file_state import FileStates, UnfinishedLine
from behavstats.watch.tailed_file import open_tailed

OLD = DiscoveredFile("/in/a", (1, 2), 10, 0, None)


@pytest.fixture
def states():
    return FileStates(system_clock)


def test_a_finished_file_is_left_alone_until_it_changes(states):
    """Its size, its modification time or its path."""
    states.finish(OLD)
    assert states.is_finished(OLD)
    assert not states.is_finished(OLD._replace(size=11))
    assert not states.is_finished(OLD._replace(modified=1))
    assert not states.is_finished(OLD._replace(path="/in/b"))


@pytest.mark.parametrize("ahead", [-1_000, 0, 1_000])
def test_a_file_that_has_just_changed_is_opened_again(states, ahead):
    """The next change may come within the same tick of the modification time."""
    new = OLD._replace(modified=(system_clock() + ahead) * 1_000_000)
    states.finish(new)
    assert not states.is_finished(new)


def test_all_files_are_opened_again_if_what_was_read_was_not_stored(states):
    """Otherwise their new lines would be missing until the files change."""
    states.finish(OLD)
    states.reopen_all()
    assert not states.is_finished(OLD)


def test_a_postponed_file_is_left_alone_even_if_it_changes(states, monkeypatch):
    """For ten times as long as it took."""
    now = [100.0]
    monkeypatch.setattr(file_state.time, "monotonic", lambda: now[0])
    states.postpone(OLD, seconds=2)
    changed = OLD._replace(size=11)
    now[0] += 19
    assert states.is_finished(changed)
    now[0] += 1
    assert not states.is_finished(changed)


def test_nothing_is_remembered_of_a_file_that_is_gone(states):
    """Another one may get its inode."""
    states.update([OLD])
    states.finish(OLD)
    states.postpone(OLD, seconds=1_000)
    states.of(OLD.id, OLD.path).unfinished_line = UnfinishedLine(0, 1, b"")
    states.forget(OLD.id)
    assert states.path_of(OLD.id) is None
    assert not states.is_finished(OLD)
    assert states.of(OLD.id, OLD.path).unfinished_line is None


def test_a_file_is_where_the_last_scan_found_it(states):
    """Also if it was known before under another name."""
    states.update([OLD])
    states.update([OLD._replace(path="/in/a.1")])
    assert states.path_of(OLD.id) == "/in/a.1"


def test_an_unfinished_line_is_recognized_by_the_bytes_before_its_end(tmp_path):
    """If they changed, the line is searched from its beginning again."""
    path = tmp_path / "log"
    path.write_bytes(b"first\n" + b"x" * 5_000)
    with open_tailed(str(path)) as file:
        line = UnfinishedLine.searched(file, 6, file.size)
    path.write_bytes(b"first\n" + b"x" * 6_000)
    with open_tailed(str(path)) as file:
        assert line.is_in(file, 6)
        assert not line.is_in(file, 7)
    path.write_bytes(b"first\n" + b"x" * 4_000 + b"\n" + b"x" * 2_000)
    with open_tailed(str(path)) as file:
        assert not line.is_in(file, 6)

"""Tailing files whose names were erased, are not UTF-8, or change while they are read."""

import os
import shutil

import pytest

from behavstats.errors import UnknownUser
from behavstats.model.page_view import PageView
from behavstats.watch.discovery import FileScanner
from tests.support.edge import wait_until
from tests.support.followed import BAD, drain, following, lines, users
from tests.support.histories import AS_OF, line


def rotate(log, more):
    """Copy a log, truncate it and append, as logrotate does with `copytruncate`."""
    shutil.copy(log, f"{log}.1")
    os.truncate(log, 0)
    with open(log, "ab") as file:
        file.write(more)


@pytest.mark.parametrize("times", [1, 40])
@pytest.mark.parametrize("is_at_once", [True, False])
def test_an_erased_user_does_not_return_with_a_copy_of_a_file_whose_name_was_erased(
    store, folder, is_at_once, times
):
    """The name held the user's id; the file and its copy are recognized without it."""
    log = folder / "events-2026-11-15.jsonl"
    log.write_bytes(line(PageView("15", AS_OF, "/")) * times + lines(1) + BAD)
    drain(store, folder)
    store.forget("15")
    assert [source.name for source in store.offsets.all()] == [None]
    shutil.copy(log, f"{log}.1")
    if not is_at_once:
        drain(store, folder)
    with log.open("ab") as file:
        file.write(lines(2))  # never seen by a scan before the truncation
    log.write_bytes(lines(3))
    for _ in range(2):
        drain(store, folder)
        with pytest.raises(UnknownUser):
            next(store.page_views("15"))
        assert store.rejected.totals().lines == 1
    assert users(store) == {1, 3}


def test_a_file_whose_name_is_not_utf_8_can_be_rotated(store, folder):
    """While it is followed, and between two runs."""
    log = os.path.join(os.fsencode(folder), b"log\xff").decode(errors="surrogateescape")
    with open(log, "wb") as file:
        file.write(lines(*range(40)) + BAD)
    with following(store, folder):
        wait_until(lambda: len(users(store)) == 40)
        rotate(log, lines(40))
        wait_until(lambda: len(users(store)) == 41)
    assert drain(store, log).rejected.total() == 0
    assert store.rejected.totals().lines == 1
    assert sorted(users(store)) == [*range(41)]


def test_files_renamed_during_a_scan_are_read_under_their_new_names(store, folder, monkeypatch):
    """No file is left out, and nothing counts as a failure."""
    for number in range(20):
        (folder / f"a{number}").write_bytes(lines(number))
    look, rounds = FileScanner.files, []

    def look_and_rename(scan):
        found = look(scan)
        if len(rounds) < 3:
            rounds.append(found)
            for file in found[::2]:
                os.rename(file.path, file.path + "x")
        return found

    monkeypatch.setattr(FileScanner, "files", look_and_rename)
    report = drain(store, folder)
    assert users(store) == set(range(20))
    assert report.failures == []

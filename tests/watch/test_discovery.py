"""Discovery: which files are found at the paths to follow, and when a scan finds them."""

import gzip
import threading

import pytest

from behavstats.clock import system_clock
from behavstats.errors import InvalidInput, SourceError
from behavstats.shutdown import Stop
from behavstats.watch.watcher import Watcher
from tests.support.edge import wait_until
from tests.support.followed import drain, following, lines, users


def test_an_empty_path_is_refused(store):
    """It would mean the current folder."""
    with pytest.raises(InvalidInput, match="empty"):
        Watcher(["a", ""], store, system_clock, Stop())


@pytest.mark.parametrize("link", [False, True])
def test_the_store_is_not_followed_into_itself_even_if_it_is_named(store, folder, caplog, link):
    """As with `*` in its own folder; the other files are read."""
    (folder / "a").write_bytes(lines(1))
    store.add([])
    named = [path for path in store.files() if path.exists()]
    assert len(named) > 2
    if link:
        (folder / "link").symlink_to(store.path)
        (folder / "hard").hardlink_to(store.path)
        named = [folder / "hard", folder / "link"]
    report = drain(store, *named, folder)
    assert (report.read, len(report.failures)) == (1, len(named))
    assert "belongs to the store itself" in caplog.text
    with pytest.raises(SourceError, match="belongs to the store itself"):
        drain(store, *named)


def test_changes_that_are_not_reported_are_found_while_other_changes_keep_coming(
    store, folder, tmp_path
):
    """A file behind a link changes elsewhere; hidden files beside the link change all the time."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(lines(1))
    (folder / "link").symlink_to(elsewhere)
    is_done = threading.Event()

    def change():
        while not is_done.wait(0.02):
            (folder / ".hidden").write_bytes(b"x")

    changing = threading.Thread(target=change)
    changing.start()
    try:
        with following(store, folder):
            wait_until(lambda: users(store) == {1})
            with elsewhere.open("ab") as file:
                file.write(lines(2))
            wait_until(lambda: users(store) == {1, 2})
    finally:
        is_done.set()
        changing.join()


def test_only_included_names_of_a_folder_are_read(store, folder):
    """Also after rotation or compression; a file that is named needs no pattern."""
    (folder / "sub").mkdir()
    names = ["a.jsonl", "sub/b.ndjson", "a.1.jsonl", "a.jsonl.2", "a.jsonl.3.gz", "sub/c.jsonl.gz"]
    others = ["d.csv", "a.jsonl.bak", "sub/e.csv.1", "named.log"]
    for number, name in enumerate(names + others):
        data = lines(number)
        (folder / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    paths = [str(folder), str(folder / "named.log")]
    stop = Stop()
    watcher = Watcher(paths, store, system_clock, stop, ["*.jsonl", "*.ndjson"])
    thread = threading.Thread(target=watcher.follow)
    thread.start()
    try:
        wait_until(lambda: users(store) >= {*range(len(names))})
        (folder / "new.csv").write_bytes(lines(98))
        (folder / "new.jsonl").write_bytes(lines(99))
        wait_until(lambda: users(store) >= {99})
    finally:
        stop.set()
        thread.join(timeout=60)
    assert users(store) == {*range(len(names)), len(names + others) - 1, 99}

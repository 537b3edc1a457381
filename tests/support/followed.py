"""Helpers for tests of watched files: lines, and watchers in this process."""

import os
import threading
from contextlib import contextmanager

from behavstats.clock import system_clock
from behavstats.model.page_view import PageView
from behavstats.shutdown import Stop
from behavstats.watch.watcher import Watcher
from tests.support.histories import AS_OF, line

BAD = b'{"bad": 1}\n'


def good(number):
    return line(PageView(f"u{number}", AS_OF, "/"))


def lines(*numbers):
    return b"".join(map(good, numbers))


def drain(store, *paths):
    """Ingest what is there, as a new process would."""
    watcher = Watcher([str(path) for path in paths], store, system_clock, Stop())
    return watcher.run(once=True)


def users(store):
    with store.database.reading() as connection:
        rows = connection.execute("SELECT user_id FROM user WHERE user_id IS NOT NULL ORDER BY id")
        return {int(user.removeprefix("u")) for (user,) in rows}


def sources(store):
    """Return offset, lines and rejected lines of the sources, by the name of the file."""
    return {
        os.path.basename(source.name): (
            source.checkpoint.offset,
            source.checkpoint.lines,
            source.rejected,
        )
        for source in store.offsets.all()
        if source.device is not None
    }


@contextmanager
def following(store, *paths):
    """Follow paths in a thread."""
    stop = Stop()
    watcher = Watcher([str(path) for path in paths], store, system_clock, stop)
    thread = threading.Thread(target=watcher.follow)
    thread.start()
    try:
        yield watcher
    finally:
        stop.set()
        thread.join(timeout=60)
    assert not thread.is_alive()

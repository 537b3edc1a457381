"""`behavstats serve --watch`: files are followed beside the server, as long as that runs."""

import os
import signal
import time

from behavstats.model.page_view import PageView
from behavstats.store import open_store
from tests.cli.conftest import one_line
from tests.support.edge import wait_until
from tests.support.histories import AS_OF, line


def children_of(server):
    """The processes that the server has started."""
    children = f"/proc/{server.process.pid}/task/{server.process.pid}/children"
    with open(children) as file:
        return [int(child) for child in file.read().split()]


def test_lines_in_a_watched_folder_are_served(serve, tmp_path, db):
    """And what is posted; both end together."""
    (tmp_path / "in").mkdir()
    server = serve("--watch", str(tmp_path / "in"), "--watch", str(tmp_path / "more"))
    (tmp_path / "in" / "a").write_bytes(line(PageView("u", AS_OF, "/")))
    (tmp_path / "more").write_bytes(line(PageView("v", AS_OF, "/")))
    wait_until(lambda: server.get("u")[0] == 200 and server.get("v")[0] == 200)
    assert server.post("w", "/", "2024-03-01T10:30:00Z") == 200
    assert server.stop() == 0
    assert "Traceback" not in server.stderr
    (tmp_path / "in" / "b").write_bytes(line(PageView("x", AS_OF, "/")))
    time.sleep(1)
    with open_store(db, lock_timeout=5) as store:
        assert store.counts()[0] == 3
        assert list(store.check()) == []


def test_the_watch_process_ends_with_a_killed_server(serve, tmp_path):
    """Although no signal reaches it."""
    server = serve("--watch", str(tmp_path))
    children = children_of(server)
    assert children
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    server.process.stderr.close()
    wait_until(lambda: not any(is_running(child) for child in children))


def is_running(process):
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_watch_process_that_dies_is_restarted(serve, tmp_path):
    """After some seconds; the server goes on."""
    (tmp_path / "in").mkdir()
    server = serve("--watch", str(tmp_path / "in"))
    (tmp_path / "in" / "a").write_bytes(line(PageView("u", AS_OF, "/")))
    wait_until(lambda: server.get("u")[0] == 200)
    wait_until(lambda: any(map(follows, children_of(server))))
    (watch_process,) = filter(follows, children_of(server))
    os.kill(watch_process, signal.SIGKILL)
    wait_until(lambda: not is_running(watch_process))
    (tmp_path / "in" / "b").write_bytes(line(PageView("v", AS_OF, "/")))
    wait_until(lambda: server.get("v")[0] == 200)


def follows(pid):
    """Whether it is the watch process, which waits for changes to files."""
    try:
        links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    except OSError:
        return False
    return "anon_inode:inotify" in links


def test_without_anything_to_watch_the_server_does_not_start(cli, tmp_path):
    """The exit code is 3."""
    done = cli("serve", "--watch", str(tmp_path / "missing" / "a"))
    assert done.returncode == 3
    assert "missing" in one_line(done)


def counts(server):
    """What `/metrics` says of page views and rejected lines."""
    text = server.request("GET", "/metrics")[2].decode()
    rows = (row.rsplit(" ", 1) for row in text.splitlines() if not row.startswith("#"))
    return {
        name.removeprefix("behavstats_"): int(float(value))
        for name, value in rows
        if "page_views_added" in name or "duplicate" in name or "_rejected_" in name
    }


def test_lines_of_watched_files_are_counted_in_the_metrics_and_the_log(serve, tmp_path, db):
    """They count like posted messages, even after the watch process was killed and restarted."""
    log = tmp_path / "in" / "log"
    log.parent.mkdir()
    server = serve("--watch", str(log))
    view = line(PageView("u", AS_OF, "/"))
    log.write_bytes(view + view + b"{}\n")
    assert server.post("w", "/", "2024-03-01T10:30:00Z") == 200
    expected = {
        "page_views_added_total": 2,
        "page_views_duplicate_total": 1,
        'rejected_total{reason="missing_key"}': 1,
    }
    wait_until(lambda: counts(server) == expected)
    wait_until(lambda: any(map(follows, children_of(server))))
    (watch_process,) = filter(follows, children_of(server))
    os.kill(watch_process, signal.SIGKILL)
    wait_until(lambda: not is_running(watch_process))
    with log.open("ab") as file:
        file.write(line(PageView("v", AS_OF, "/")) + b"{}\n{\n")
    expected["page_views_added_total"] = 3
    expected['rejected_total{reason="missing_key"}'] = 2
    expected['rejected_total{reason="invalid_json"}'] = 1
    wait_until(lambda: counts(server) == expected)
    assert server.stop() == 0
    # The killed process may not have logged its lines.
    counted = "1 page view added, 0 duplicates, 2 rejected"
    assert f"ingested 3 lines of {log}: {counted}" in server.stderr
    assert f"(listed by: behavstats rejects --db {db})" in server.stderr

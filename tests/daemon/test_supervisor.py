"""The server as a process: start, signals, several writers on one store."""

import gzip
import http.client
import itertools
import json
import os
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from behavstats.clock import system_clock
from behavstats.errors import UnknownUser
from behavstats.model.page_view import PageView
from behavstats.model.profile import window
from behavstats.model.timestamps import format_instant
from behavstats.store import open_store
from behavstats.store.sqlite.lock import StoreLock
from tests.cli.conftest import WAITS
from tests.conftest import BEHAVSTATS, files_of, user_path
from tests.support.edge import is_waited_for, wait_until
from tests.support.histories import AS_OF, line


def post_until_stopped(server, acknowledged, user_id):
    """Post page views one after the other; note those that were acknowledged."""
    number = 0
    while True:
        view = PageView(user_id, AS_OF + number, f"/{number % 5}")
        try:
            status = server.post(view.user_id, view.name, format_instant(view.instant))
        except (OSError, http.client.HTTPException):
            return
        if status == 200:
            acknowledged.append(view)
        number += 1


def start_posting(server, users):
    """Post by several clients at once; return when much was acknowledged, and they go on."""
    acknowledged = []
    threads = [
        threading.Thread(target=post_until_stopped, args=(server, acknowledged, user))
        for user in users
    ]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(acknowledged) > 50)
    return acknowledged, threads


def stored(db, users):
    with open_store(db, lock_timeout=10) as store:
        return {view for user in users for views in store.page_views(user) for view in views}


def test_the_server_logs_its_address(serve, db):
    """By default, it listens on the loopback address. It creates the store if there is none."""
    server = serve()
    assert db.exists()
    assert server.stop() == 0
    logged = json.loads(server.stderr.splitlines()[0])
    address = f"http://127.0.0.1:{server.port}"
    docs = f"its documentation is at {address}/docs"
    assert logged["message"] == f"behavstats serves {db} on {address}; {docs}"
    assert "write keys only" not in server.stderr


@pytest.mark.parametrize(("keys", "warned"), [(["--write-key"], 1), (["--secret-key"], 0)])
def test_a_server_with_write_keys_only_logs_a_warning(serve, keys, warned):
    """Nobody can read a profile then."""
    server = serve(*keys, "x" * 16)
    assert server.stop() == 0
    assert server.stderr.count("there are write keys only") == warned


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_cleanly_and_no_acknowledged_page_view_is_lost(serve, db, number):
    """Requests under way are finished, the WAL is emptied, nothing is left to say."""
    server = serve()
    users = [f"user{n}" for n in range(6)]
    acknowledged, threads = start_posting(server, users)
    assert server.stop(number) == 0
    for thread in threads:
        thread.join()
    assert set(acknowledged) <= stored(db, users)
    assert "Traceback" not in server.stderr
    wal = Path(f"{db}-wal")
    assert not wal.exists() or wal.stat().st_size == 0


def test_requests_under_way_are_answered_before_the_server_ends(serve, db):
    """A post that waits for its turn when the signal comes is stored, and its client hears so."""
    server = serve(limits=("cli.serve._LOCK_TIMEOUT=60", "daemon.supervisor._SECONDS_TO_FINISH=60"))
    answers = []
    now = format_instant(system_clock())
    with StoreLock(db, lock_timeout=5).held():
        poster = threading.Thread(target=lambda: answers.append(server.post("u", "/", now)))
        poster.start()
        wait_until(lambda: is_waited_for(db))
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert answers == []
    poster.join()
    assert answers == [200]
    assert server.process.wait(timeout=60) == 0
    server.process.stderr.close()
    assert len(stored(db, ["u"])) == 1


def test_ctrl_c_reaches_supervisor_and_worker_at_once_and_ends_both(serve):
    """A terminal sends SIGINT to all processes of its group."""
    for _ in range(5):
        server = serve()
        os.killpg(server.process.pid, signal.SIGINT)
        assert server.process.wait(timeout=30) == 0
        server.process.stderr.close()


def test_a_killed_server_loses_nothing_and_leaves_no_process_behind(serve, db):
    """SIGKILL of the supervisor: the process that did the work ends as well."""
    server = serve()
    users = ["a", "b", "c"]
    acknowledged, threads = start_posting(server, users)
    server.process.kill()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()
    server.process.wait()
    server.process.stderr.close()
    assert set(acknowledged) <= stored(db, users)
    wait_until(lambda: nobody_listens(server.port))


def nobody_listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_an_address_in_use_is_an_error_at_once(serve, cli):
    """Two servers never share a port by accident."""
    server = serve()
    done = cli("serve", "--port", str(server.port))
    assert done.returncode == 3
    assert done.stderr.decode().startswith(f"behavstats: cannot listen on 127.0.0.1:{server.port}")
    assert done.stderr.count(b"\n") == 1


def test_a_store_that_is_held_answers_503_and_works_again_later(serve, db):
    """With Retry-After, and reads go on meanwhile."""
    server = serve(limits=("cli.serve._LOCK_TIMEOUT=1.5",))
    now = format_instant(system_clock())
    assert server.post("u", "/", now) == 200
    with StoreLock(db, lock_timeout=5).held():
        started = time.monotonic()
        event = json.dumps({"user_id": "u", "name": "/2", "timestamp": now}).encode()
        status, headers, body = server.request("POST", "/v1/page", event)
        assert (status, headers["Retry-After"], body["code"]) == (503, "1", "store_busy")
        assert time.monotonic() - started > 1
        assert server.get("u")[0] == 200
    assert server.request("POST", "/v1/page", event)[0] == 200


def test_two_ingests_and_a_server_lose_and_double_nothing(serve, db, tmp_path):
    """On one store at the same time, with overlapping files."""
    users = [f"user{n}" for n in range(50)]
    views = [PageView(users[n % 50], AS_OF + n * 100, f"/{n % 13}") for n in range(60_000)]
    for name, part in (("one", views[:40_000]), ("two", views[20_000:])):
        (tmp_path / name).write_bytes(b"".join(map(line, part)))
    server = serve()
    posters = [f"poster{n}" for n in range(3)]
    acknowledged, threads = start_posting(server, posters)
    ingests = [
        subprocess.Popen(
            [BEHAVSTATS, "ingest", str(tmp_path / name), "--db", str(db)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for name in ("one", "two")
    ]
    added = 0
    for ingest in ingests:
        out, err = ingest.communicate(timeout=120)
        assert (ingest.returncode, err.replace(WAITS, b"")) == (0, b"")
        added += int(
            next(row for row in out.decode().splitlines() if "added" in row)
            .split("│")[2]
            .replace(",", "")
        )
    assert server.stop() == 0
    for thread in threads:
        thread.join()
    assert added == len(views)
    assert stored(db, users) == set(views)
    assert set(acknowledged) <= stored(db, posters)
    assert "locked" not in server.stderr


def test_forget_and_posts_of_the_same_user_in_two_processes_do_not_mix(serve, db, monkeypatch):
    """A profile never shows a page of another user, nor one acknowledged before the erasure."""
    # Each page name has its user and a growing number.
    monkeypatch.setattr("behavstats.store.sqlite.wal.READERS_TIMEOUT", 30.0)
    server = serve()
    numbers = itertools.count()
    answered = -1
    of_others, returned, forgotten = [], [], 0

    def post(user_id):
        nonlocal answered
        for count in itertools.count():
            if count >= 80 and (user_id != "u" or forgotten > 3 or count > 10_000):
                return
            number = next(numbers)
            now = format_instant(system_clock())
            assert server.post(user_id, f"/{user_id}/{number}", now) == 200
            if user_id == "u":
                answered = number
            pages = server.get(user_id, "?detail=true")[1].get("top_pages", [])
            of_others.extend(page for page in pages if f"/{user_id}/" not in page["name"])

    threads = [threading.Thread(target=post, args=(user,)) for user in ("u", "v", "w")]
    for thread in threads:
        thread.start()
    with open_store(db, lock_timeout=10) as other_process:
        while any(thread.is_alive() for thread in threads):
            old = answered
            with suppress(UnknownUser):
                other_process.forget("u")
                forgotten += 1
                names = other_process.summary("u", window(system_clock() + 1000)).pages
                returned += [name for name in names if int(name.rpartition("/")[2]) <= old]
    for thread in threads:
        thread.join()
    assert (of_others, returned, forgotten > 3) == ([], [], True)
    profiles = [server.get(user_id)[1] for user_id in ("v", "w")]
    assert all(profile["number_pages_viewed_in_the_last_7_days"] == 80 for profile in profiles)


def test_after_delete_the_user_is_in_no_byte_while_the_server_runs(serve, db, cli):
    """By HTTP, and by the command line beside a running server."""
    server = serve()
    now = format_instant(system_clock())
    secrets = ["8f14e45f-http", "8f14e45f-cli"]
    for secret in secrets:
        assert server.post(secret, f"/settings/{secret}", now) == 200
    assert server.post("other", "/", now) == 200
    assert cli("ingest", "-", stdin=f'{{"user_id": "{secrets[0]}"'.encode()).returncode == 1
    assert all(any(s.encode() in data for data in files_of(db).values()) for s in secrets)
    assert server.request("DELETE", user_path(secrets[0]))[2] == {
        "success": True,
        "user_id": secrets[0],
        "page_views": 1,
        "page_names": 1,
        "rejected_lines": 1,
    }
    assert cli("forget", secrets[1]).returncode == 0
    assert not any(s.encode() in data for data in files_of(db).values() for s in secrets)
    assert [server.get(secret)[0] for secret in secrets] == [404, 404]
    assert server.get("other")[0] == 200


def test_a_client_that_never_finishes_does_not_keep_the_server_from_ending(serve):
    """It is waited for, but not for ever; what others posted is there."""
    server = serve("--host", "localhost", limits=("daemon.supervisor._SECONDS_TO_FINISH=2",))
    with socket.create_connection(("127.0.0.1", server.port)) as stalled:
        stalled.sendall(b"POST /v1/page HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        assert server.post("u", "/", format_instant(system_clock())) == 200
        assert server.stop() == 0


def test_a_killed_worker_ends_the_server_with_an_error(serve):
    """It does not hang without a process that answers."""
    server = serve()
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text()
    os.kill(int(children.split()[0]), signal.SIGKILL)
    assert server.process.wait(timeout=60) == 3
    stderr = server.process.stderr.read().decode()
    server.process.stderr.close()
    assert "behavstats: the server's process ended unexpectedly" in stderr
    assert "Traceback" not in stderr


def test_a_server_refreshes_stale_rollups_without_any_post(serve, db):
    """As of a store of an older version, which has no summaries yet."""
    old = Path(__file__).parents[1] / "store" / "sqlite" / "files" / "version-1.db.gz"
    db.write_bytes(gzip.decompress(old.read_bytes()))
    server = serve()
    assert server.get("heavy", "?as_of=2024-03-01T00:00:00Z")[0] == 200
    with open_store(db, lock_timeout=10) as store:
        wait_until(lambda: store.counts()[1] > 0)
        assert list(store.check()) == []
    status, body = server.get("heavy", "?as_of=2024-03-01T00:00:00Z")
    assert (status, body["number_pages_viewed_in_the_last_7_days"]) == (200, 1_100)

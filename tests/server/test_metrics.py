"""The metrics: they are right after known requests, and the number of series is bounded."""

import http.client
import json
import math
from collections import Counter
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from behavstats.clock import system_clock
from behavstats.model.page_view import PageView
from behavstats.model.timestamps import HOUR
from behavstats.server.routes import ROUTES
from behavstats.store import open_store
from behavstats.store.sqlite.lock import StoreLock
from tests.support.edge import batch, ours, page

METHODS = {"GET", "POST", "DELETE", "HEAD", "OPTIONS", "other"}


def text_of(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    text = answer.read().decode()
    connection.close()
    return text


def samples_of(server):
    """Return all samples, by name and label values; the parser is as strict as Prometheus."""
    return {
        (sample.name.removeprefix("behavstats_"), *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text_of(server))
        for sample in family.samples
    }


def test_page_views_messages_requests_and_commits_are_counted(server, db):
    """The sizes of the store and the age of the newest page view are measured as well."""
    view = page("/1")
    first = json.dumps(ours("/")).encode()
    track = {"type": "track", "messageId": "m"}
    for path, body in (
        ("/v1/page", first),
        ("/v1/page", first),
        ("/v1/batch", batch(view, page("/2"), track, track, {"type": "alias"}, b"7", b"{}", b"8")),
        ("/v1/batch", batch(view, page("/3"))),
        ("/v1/batch", b"{"),
        ("/v1/p", b'{"type": "page"}'),
    ):
        server.request("POST", path, body)
    server.get("u")
    server.get("nobody")
    found = samples_of(server)
    expected = {
        ("page_views_added_total",): 4,
        ("page_views_duplicate_total",): 2,
        ("other_messages_total", "track"): 2,
        ("other_messages_total", "alias"): 1,
        ("rejected_total", "not_an_object"): 2,
        ("request_seconds_count", "/v1/page", "200", "POST"): 2,
        ("request_seconds_count", "/v1/batch", "200", "POST"): 2,
        ("request_seconds_count", "/v1/batch", "400", "POST"): 1,
        ("request_seconds_count", "/v1/p", "400", "POST"): 1,
        ("request_seconds_count", "/v1/user/{user_id}", "200", "GET"): 1,
        ("request_seconds_count", "/v1/user/{user_id}", "404", "GET"): 1,
        ("commit_page_views_sum",): 6,
        ("commit_page_views_count",): 5,
        ("commit_page_views_bucket", "1.0"): 3,
        ("commit_seconds_count",): 5,
    }
    assert {key: found.get(key) for key in expected} == expected
    assert sum(found[key] for key in found if key[0] == "rejected_total") == 4
    assert found["store_bytes",] == db.stat().st_size
    assert found["wal_bytes",] == Path(f"{db}-wal").stat().st_size > 0
    assert 0 <= found["newest_page_view_age_seconds",] < 600
    assert found["process_resident_memory_bytes",] > 0


def test_page_views_of_other_processes_count_for_the_age_of_the_newest(serve, db):
    """The age of an empty store is not a number."""
    server = serve()
    assert math.isnan(samples_of(server)["newest_page_view_age_seconds",])
    assert server.stop() == 0
    with open_store(db, lock_timeout=10) as store:
        store.add([PageView("u", system_clock() - HOUR, "/")])
    age = samples_of(serve())["newest_page_view_age_seconds",]
    assert HOUR / 1000 - 1 < age < HOUR / 1000 + 600


def test_no_request_adds_a_label_that_is_not_in_the_route_table(server):
    """Unknown methods, paths and types do not become labels."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    for number in range(60):
        for method, path, body in (
            (f"VERB{number}", "/v1/page", None),
            ("GET", f"/made/up/{number}", None),
            ("GET", f"/v1/user/u{number}?days={number}", None),
            ("GET", f"/v1/projects/key{number}/settings", None),
            ("GET", f"/docs/{number}", None),
            ("HEAD", f"/v1/user/{number}", None),
            ("OPTIONS", f"/v1/{number}", None),
            ("POST", "/v1/batch", batch({"type": f"type{number}"}, {"type": "track"})),
        ):
            connection.request(method, path, body)
            connection.getresponse().read()
    connection.close()
    text = text_of(server)
    routes = {route.path for route in ROUTES} | {"none"}
    labels = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            assert sample.labels.get("route", "none") in routes
            assert sample.labels.get("method", "other") in METHODS
            assert sample.labels.get("reason", "invalid_type") == "invalid_type"
            labels[sample.name] += 1
    assert labels["behavstats_request_seconds_count"] < 12
    assert "VERB" not in text
    assert "made" not in text


def test_a_server_is_ready_if_it_can_store_page_views(serve, db):
    """While another process holds the store, the server is healthy but not ready."""
    server = serve(limits=("cli.serve._LOCK_TIMEOUT=1.5",))
    assert server.request("GET", "/readyz")[::2] == (200, {"success": True})
    with StoreLock(db, lock_timeout=5).held():
        status, headers, body = server.request("GET", "/readyz")
        assert (status, headers["Retry-After"], body["code"]) == (503, "1", "store_busy")
        assert server.request("GET", "/healthz")[0] == 200
    assert server.request("GET", "/readyz")[::2] == (200, {"success": True})


def test_the_lag_of_each_followed_file_is_shown(server, cli, tmp_path):
    """The lag is what was written since the file was followed."""
    file = tmp_path / "events.jsonl"
    file.write_text(json.dumps(ours("/")) + "\n")
    assert cli("watch", "--once", str(file)).returncode == 0
    with file.open("a") as more:
        more.write("x" * 100)
    text = server.request("GET", "/metrics")[2].decode()
    assert f'behavstats_source_lag_bytes{{source="{file}"}} 100.0' in text

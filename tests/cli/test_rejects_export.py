"""The export of rejected lines: messages without a time get their time of arrival."""

import json

import pytest

from behavstats.cli.rejects_export import exported
from behavstats.decode.segment import Arrival
from behavstats.ingest.pipeline import ingest
from behavstats.model.page_view import Rejection
from behavstats.server.payload import parse_payload
from tests.support.histories import AS_OF
from tests.support.stores import export, rejections_of

ARRIVED = '"receivedAt":"2024-03-01T10:30:00.000Z"}'


def kept(text, sender=1, arrived=AS_OF, length=None):
    size = len(text) if length is None else length
    return Rejection("POST /v1/p", 1, 0, size, "r", "m", text, arrived, sender)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        (b'{"type":"page" } ', b'{"type":"page",' + ARRIVED.encode()),
        (b"{ }", b"{" + ARRIVED.encode()),
        (b'{"timestamp": null, "a": 1}', b'{"timestamp": null, "a": 1,' + ARRIVED.encode()),
    ],
)
def test_a_message_without_a_time_is_exported_with_its_arrival(text, printed):
    """Under the name that Segment gives it."""
    assert exported(kept(text)) == printed


@pytest.mark.parametrize(
    "text",
    [
        b'{"type":"page","timestamp":"now"}',
        b'{"originalTimestamp":5}',
        b'{"user_id":"u","name":"/"}',
        b'{"receivedAt":"2024-03-01T10:30:00Z"}',
        b"[1]",
        b"7",
        b'{"type":',
        b"",
    ],
)
def test_any_other_line_is_exported_unchanged(text):
    """It has a time, is in our own format, or is no message; or it came from a file."""
    assert exported(kept(text)) == text
    assert exported(kept(b'{"type":"page"}', sender=0)) == b'{"type":"page"}'
    assert exported(kept(b'{"type":"page"}', arrived=None)) == b'{"type":"page"}'
    assert exported(kept(text, length=len(text) + 1)) is None


def test_a_repaired_message_without_a_time_keeps_its_arrival(store, tmp_path):
    """It counts once, even though it is ingested and sent again."""
    message = {"type": "page", "name": "/", "userId": 5.5, "messageId": "m1"}
    first = parse_payload("POST /v1/p", [json.dumps(message).encode()], Arrival(AS_OF))
    store.add(first.views, first.rejections)
    (rejection,) = rejections_of(store)
    path = tmp_path / "bad.jsonl"
    path.write_bytes(exported(rejection).replace(b"5.5", b'"u"') + b"\n")
    for new in (1, 0):
        report = ingest([str(path)], store, lambda: AS_OF + 10**7)
        assert (report.added, report.duplicates, report.failures) == (new, 1 - new, [])
    assert [view.instant for view in export(store, "u")] == [AS_OF]
    message["userId"] = "u"
    again = parse_payload("POST /v1/p", [json.dumps(message).encode()], Arrival(AS_OF + 10**7))
    assert store.add(again.views) == 0


def test_an_invalid_arrival_rejects_a_message_without_another_time(store, tmp_path):
    """The reason names the field that is wrong."""
    path = tmp_path / "bad.jsonl"
    path.write_bytes(b'{"type":"page","userId":"u","name":"/","receivedAt":"now"}\n')
    report = ingest([str(path)], store, lambda: AS_OF)
    assert report.rejected == {"invalid_timestamp": 1}

"""Rejected lines in the form in which they are exported, repaired and ingested again."""

import msgspec

from behavstats.model.page_view import FILE_SENDER, Rejection
from behavstats.model.timestamps import format_instant

_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TIMES = ("timestamp", "originalTimestamp")
_NO_TIME = (b"", b"null", b'""')


def exported(rejection: Rejection) -> bytes | None:
    """Return a rejected line unchanged, or None if only its beginning is kept.

    A message without a timestamp that was sent over HTTP has the time of its arrival. The export
    adds this time as `receivedAt`, which is Segment's name for it, because a line of a file has no
    time of arrival.
    """
    text = rejection.text
    if rejection.length > len(text):
        return None
    if rejection.sender == FILE_SENDER or rejection.arrived is None:
        return text
    try:
        values = _decoder.decode(text)
    except (ValueError, RecursionError):
        return text
    has_time = any(bytes(values.get(key, b"")) not in _NO_TIME for key in _TIMES)
    if has_time or "user_id" in values or "receivedAt" in values:
        return text
    rest = text.rstrip()[:-1].rstrip()
    comma = b"," if values else b""
    return rest + comma + b'"receivedAt":"' + format_instant(rejection.arrived).encode() + b'"}'

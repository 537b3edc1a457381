"""Rejected lines as they are printed, to be repaired and ingested."""

import msgspec

from behavstats.model.page_view import FILE_SENDER, Rejection
from behavstats.model.timestamps import format_instant

_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TIMES = ("timestamp", "originalTimestamp")
_NO_TIME = (b"", b"null", b'""')


def exported(rejection: Rejection) -> bytes | None:
    """Return a rejected line as it came; None if only its beginning is kept.

    A message that was sent over HTTP and tells no time happened when it arrived: that is added, by
    the name that Segment gives it, since a file cannot tell it.
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
    tells = any(bytes(values.get(key, b"")) not in _NO_TIME for key in _TIMES)
    if tells or "user_id" in values or "receivedAt" in values:
        return text
    rest = text.rstrip()[:-1].rstrip()
    comma = b"," if values else b""
    return rest + comma + b'"receivedAt":"' + format_instant(rejection.arrived).encode() + b'"}'

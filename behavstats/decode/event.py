"""Decode one event: turn a JSON object into a page view, or into a message of another kind."""

from contextlib import suppress

import msgspec

from behavstats.decode.json_errors import Misfit, malformed, misfit, must_be, type_of
from behavstats.decode.segment import Arrival, Other, from_message
from behavstats.decode.wire import (
    OTHER_KINDS,
    PAGE_KINDS,
    SEGMENT_KEYS,
    Message,
    Typed,
    WireEvent,
    may_be_own_format,
)
from behavstats.errors import InvalidInput
from behavstats.model.page_view import PageView, check_instant, check_name, check_user_id
from behavstats.model.timestamps import parse_instant

_decoder = msgspec.json.Decoder(WireEvent)
_message_decoder = msgspec.json.Decoder(Message)
_typed_decoder = msgspec.json.Decoder(Typed)
_raw_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_any_decoder = msgspec.json.Decoder(msgspec.defstruct("_Any", ()))


def decode_event(body: bytes, now: int, arrival: Arrival | None = None) -> PageView | Other:
    """Return the page view of a JSON object, in our own format or as a Segment message.

    `now` is in ms since the epoch. The `arrival` of a message, if it is known, replaces a missing
    time and corrects a time from a wrong clock. Raises InvalidInput with the name of the field, if
    there is one, and one of the codes `invalid_utf8`, `invalid_json`, `too_deep`, `not_an_object`,
    `missing_key`, `wrong_type`, `invalid_user_id`, `invalid_name`, `invalid_timestamp` and
    `invalid_type`.
    """
    kind = arrival.kind if arrival else None
    try:
        body.decode()  # msgspec does not check the keys that it skips
        event = _as_non_page_message(body, kind) if kind in OTHER_KINDS else _decoded(body, kind)
    except UnicodeDecodeError as error:
        at = f"byte {error.start:,}"
        raise InvalidInput("invalid_utf8", f"the text is not UTF-8 ({at})") from None
    except RecursionError:
        raise InvalidInput("too_deep", "the JSON is nested too deep") from None
    except msgspec.DecodeError as error:
        raise InvalidInput("invalid_json", malformed(error, body)) from None
    if isinstance(event, Other):
        return event
    if isinstance(event, Message):
        return from_message(event, now, arrival)
    instant = check_instant(parse_instant(event.timestamp), now)
    return PageView(check_user_id(event.user_id), instant, check_name(event.name))


def _as_non_page_message(body: bytes, kind: str) -> Other:
    """Return a message that is not a page view; check only that it is a JSON object."""
    try:
        _any_decoder.decode(body)
    except msgspec.ValidationError:
        raise InvalidInput("not_an_object", "the JSON is not an object") from None
    return Other(kind)


def _decoded(body: bytes, assumed: str | None) -> WireEvent | Message | Other:
    """Decode the format that the keys indicate; raises InvalidInput if the JSON fits no format."""
    if not may_be_own_format(body):
        message = _as_message(body)
        if message is not None and message.is_marked:
            return message
    try:
        return _decoder.decode(body)
    except msgspec.ValidationError as error:
        found = misfit(error)
    try:
        values = _raw_decoder.decode(body)
    except msgspec.ValidationError:
        raise InvalidInput("not_an_object", "the JSON is not an object") from None
    if "user_id" not in values and any(key in values for key in SEGMENT_KEYS):
        try:
            return _message_decoder.decode(body)
        except msgspec.ValidationError as error:
            return _non_page_message_or_error(body, assumed, misfit(error))
    for key in WireEvent.__struct_fields__:
        if key not in values:
            raise InvalidInput("missing_key", f"{key} is missing", key)
        if (found_type := type_of(bytes(values[key]))) != "str":
            raise InvalidInput("wrong_type", must_be(key, "str", found_type), key)
    raise InvalidInput("wrong_type", *found)


def _as_message(body: bytes) -> Message | None:
    try:
        return _message_decoder.decode(body)
    except msgspec.ValidationError:
        return None


def _non_page_message_or_error(body: bytes, assumed: str | None, found: Misfit) -> Other:
    """Return a message that is not a page view; only its kind has to be valid.

    Raises InvalidInput with the `found` error if the message is a page view.
    """
    with suppress(msgspec.ValidationError):
        kind = _typed_decoder.decode(body).kind(assumed)
        if kind not in PAGE_KINDS:
            return Other(kind)
    raise InvalidInput("wrong_type", *found)

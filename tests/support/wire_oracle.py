"""An oracle for the outcome of a message, written only from the contract.

Like `oracle`, it shares no code with the package under test. It takes a message as a dictionary and
returns (user_id, instant, name), the kind of a message that is not a page view, or None if the
message has to be rejected.
"""

from contextlib import suppress
from typing import Any

from tests.support import oracle

DAY = 24 * 60 * 60 * 1000
FIVE_MINUTES = 5 * 60 * 1000
MARKS = ("userId", "anonymousId", "type", "messageId")
OTHER_KINDS = ("track", "identify", "group", "alias")
IDS = ("userId", "anonymousId")
TEXTS = ("name", "timestamp", "originalTimestamp")
OBJECTS = ("properties", "context")

Outcome = tuple[str, int, str] | str | None


def outcome(
    message: Any,
    now: int,
    arrival: int | None = None,
    sent_at: str | None = None,
    kind: str | None = None,
) -> Outcome:
    """Return the outcome of a message; `sent_at` is that of the batch, `kind` that of the route."""
    if not isinstance(message, dict):
        return None
    if kind in OTHER_KINDS:
        return kind
    try:
        if "user_id" in message or not any(mark in message for mark in MARKS):
            return _ours(message, now)
        return _theirs(message, now, arrival, sent_at, kind)
    except ValueError:
        return None


def _ours(message: dict[str, Any], now: int) -> Outcome:
    values = [message.get(key) for key in ("user_id", "timestamp", "name")]
    if not all(isinstance(value, str) for value in values):
        return None
    user, timestamp, name = values
    return _checked(user, oracle.instant(timestamp), name, now)


def _theirs(
    message: dict[str, Any],
    now: int,
    arrival: int | None,
    sent_at: str | None,
    kind: str | None,
) -> Outcome:
    if not _is_text_or_null(message.get("type")):
        return None
    is_track = message.get("event") is not None
    is_a = message.get("type") or kind or ("track" if is_track else "page")
    if is_a in OTHER_KINDS:
        return is_a
    if is_a not in ("page", "screen") or not _is_fitting(message):
        return None
    user = _id(message.get("userId")) or _id(message.get("anonymousId"))
    name = _name(message)
    if not user or not name:
        return None
    instant = _instant(message, arrival, (message.get("sentAt"), sent_at))
    return None if instant is None else _checked(user, instant, name, now)


def _is_fitting(message: dict[str, Any]) -> bool:
    texts = (_is_text_or_null(message.get(key)) for key in TEXTS)
    ids = (_is_id_or_null(message.get(key)) for key in IDS)
    objects = (isinstance(message.get(key), dict | list | None) for key in OBJECTS)
    return all(texts) and all(ids) and all(objects)


def _name(message: dict[str, Any]) -> str | None:
    """Return the name after its category, or the first title, path or path of a url."""
    own = _object(message.get("properties"))
    around = _object(_object(message.get("context")).get("page"))
    name = message.get("name")
    if name:
        category = _text(message.get("category"))
        return f"{category}: {name}" if category else str(name)
    return (
        _text(own.get("title"))
        or _text(around.get("title"))
        or _text(own.get("path"))
        or _path(_text(own.get("url")))
        or _path(_text(around.get("url")))
    )


def _path(url: str | None) -> str | None:
    """Return an address without scheme, host, query and fragment."""
    if url is None:
        return None
    _, scheme, after = url.partition("://")
    place = after if scheme else url
    for mark in "#?":
        place = place.partition(mark)[0]
    if not scheme:
        return place
    _, slash, path = place.partition("/")
    return slash + path or "/"


def _instant(message: dict[str, Any], arrival: int | None, sent: tuple[Any, Any]) -> int | None:
    """Return the time by the sender's clock, corrected or replaced by ours if that is wrong."""
    claimed = message.get("timestamp") or message.get("originalTimestamp")
    if claimed is None or claimed == "":
        return arrival
    instant = oracle.instant(claimed)
    if arrival is None:
        return instant
    told_to_be_sent = []
    for sent_at in sent:
        with suppress(ValueError):
            told_to_be_sent += [oracle.instant(sent_at)] if isinstance(sent_at, str) else []
    skew = arrival - max(told_to_be_sent, default=arrival)
    possible = 0 <= instant + skew <= arrival + DAY
    return instant + skew if abs(skew) > FIVE_MINUTES and possible else instant


def _checked(user: str, instant: int, name: str, now: int) -> Outcome:
    if not 0 <= instant <= now + DAY:
        return None
    for text, most in ((user, 512), (name, 2048)):
        if not 1 <= len(text.encode()) <= most or "\0" in text:
            return None
    return user, instant, name


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _id(value: Any) -> str | None:
    """Return an id as text; a whole number counts as its digits."""
    return str(value) if isinstance(value, int) else _text(value)


def _is_id_or_null(value: Any) -> bool:
    return _is_text_or_null(value) or (isinstance(value, int) and not isinstance(value, bool))


def _is_text_or_null(value: Any) -> bool:
    return value is None or isinstance(value, str)

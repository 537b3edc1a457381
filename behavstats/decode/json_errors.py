"""Turn the errors of the JSON decoder into messages for people who write JSON."""

import re
from typing import NamedTuple

import msgspec

# All messages of the decoder: https://github.com/jcrist/msgspec, `_core.c`.
_MALFORMED = re.compile(r"JSON is malformed: (.*) \(byte (\d+)\)")
_MISFIT = re.compile(r"Expected `(.*)`, got `(.*)`")
_MISSING = re.compile(r"Object missing required field `(.*)`")
_PLACE = re.compile(r"(.*) - at `(?:key in )?\$\.?(.*)`", re.DOTALL)
_TYPE_NAMES = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "null",
    "array": "an array",
    "object": "an object",
}
_REASONS = {
    "invalid character": "an unexpected character",
    "trailing characters": "more text after its end",
    "object keys must be strings": "a key that is not in double quotes",
}
_FIRST_BYTES = {'"': "str", "{": "object", "[": "array", "n": "null", "t": "bool", "f": "bool"}
_NOT_NAMED = ("null", "array")  # accepted instead of an object, but not recommended


class Misfit(NamedTuple):
    """A value of a wrong type: the message about it, and its key, if it has one."""

    message: str
    field: str | None


def malformed(error: msgspec.DecodeError, text: bytes) -> str:
    """Return a message that explains why a text is not JSON."""
    if not text.strip():
        return "the text is empty"
    found = _MALFORMED.fullmatch(str(error))
    if found is not None:
        reason = _REASONS.get(found[1], found[1])
        return f"this is not JSON: {reason} (byte {int(found[2]):,})"
    if b"\\ud" in text.lower():
        return "the JSON is not complete, or holds half of a surrogate pair"
    return "the JSON is not complete"


def misfit(error: msgspec.ValidationError, whole: str = "the JSON") -> Misfit:
    """Return the error of a value in a JSON text; messages call the whole text `whole`."""
    message = str(error)
    placed = _PLACE.fullmatch(message)
    message, path = (placed[1], placed[2]) if placed else (message, "")
    field = path.partition(".")[0].partition("[")[0] or None
    if missing := _MISSING.fullmatch(message):
        key = f"{path}.{missing[1]}" if path else missing[1]
        return Misfit(f"{key} is missing", field or missing[1])
    if found := _MISFIT.fullmatch(message):
        return Misfit(must_be(path or whole, found[1], found[2]), field)
    return Misfit(f"{path or whole} is a number out of range", field)


def must_be(what: str, expected: str, found: str) -> str:
    """Return a message that names the expected type and the actual type.

    Types are in the decoder's notation, such as `str | null`.
    """
    types = expected.split(" | ")
    named = [kind for kind in types if kind not in _NOT_NAMED] or types
    fitting = " or ".join(
        _TYPE_NAMES.get(kind, kind) for kind in sorted(named, key=[*_TYPE_NAMES].index)
    )
    is_whole = found == "int" and "int" not in types
    got = "a number" if is_whole else _TYPE_NAMES.get(found, found)
    if found == "float" and "int" in types:
        got = "a number with a point or an exponent"
    return f"{what} must be {fitting}, not {got}"


def type_of(value: bytes) -> str:
    """Return the type of a JSON value in the decoder's notation."""
    return _FIRST_BYTES.get(value[:1].decode("latin-1"), "int")

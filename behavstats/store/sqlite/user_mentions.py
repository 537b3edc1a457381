"""Finds out whether a rejected line mentions a user, and whether the line is the user's own.

A line is the user's own if it gives the id as that of its user, for example as `user_id`.

In a line that is JSON, the user is mentioned by a string that equals the id (a value or a key, at
any depth), and by a number that is written like the id, as the value of a key such as `user_id`.
`10` is not found in a timestamp or a price, nor `anna` in `anna@example.com`. A line that is not
JSON may be cut anywhere, so the id is looked for as a word.

The time is proportional to the length of the line, even of a hostile one. The interpreter is never
blocked for more than some milliseconds.
"""

import re
from collections.abc import Iterator
from enum import IntEnum
from typing import AnyStr

import msgspec

_KEYS = frozenset((b"userid", b"user_id", b"anonymousid", b"anonymous_id"))
_NUMBER = re.compile(r"-?[0-9][0-9.eE+-]*")
_PART_OF_NUMBER = frozenset(b"0123456789.eE+-")
# A key such as `user_id`, and the characters between it and its value, in almost-JSON text.
_KEY = re.compile(r"(?i:(?:user|anonymous)_?id)")
_BEFORE = re.compile(_KEY.pattern + r"""["']?\s*[:=]\s*(["']?)\Z""")
_LONGEST_BEFORE = 64  # characters
_AFTER = re.compile(r"[\s,;&}]|\Z")
# The rest of an e-mail address, whose two parts have at most 64 and 255 characters.
_REST_OF_LOCAL_PART = re.compile(r"[\w.+-]{0,64}@\w")
_REST_OF_DOMAIN = re.compile(r"\w@[\w.-]{0,255}\Z")
_LONGEST_DOMAIN = 260  # characters
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")
_LETTERS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", '"': '"', "/": "/"}
# Placeholders for an escaped backslash or quote during a search. JSON text contains neither.
_BACKSLASH, _QUOTE = "\x00", "\x01"

_any_decoder = msgspec.json.Decoder(msgspec.Raw)
_text_decoder = msgspec.json.Decoder(str)


class Mention(IntEnum):
    """How a line mentions a user: not at all, somewhere, or as the user whose line it is."""

    NOT = 0
    NAMED = 1
    AS_USER = 2


class MentionFinder:
    """Finds mentions of one user."""

    def __init__(self, user_id: str) -> None:
        """Look for this id."""
        self._id = user_id
        self._bytes = user_id.encode(errors="surrogatepass")
        self._is_number = _NUMBER.fullmatch(user_id) is not None

    def mention(self, line: bytes) -> Mention:
        """Return how a rejected line mentions the user."""
        if self._bytes not in line and b"\\" not in line:
            return Mention.NOT
        if _is_json(line):
            return max(self._in_json(line), default=Mention.NOT)
        return max(map(self._as_word, _texts(line)), default=Mention.NOT)

    def is_in(self, text: str) -> bool:
        """Return whether the id stands in a text (a file's name) as a word."""
        return self._as_word(text) is not Mention.NOT

    def _in_json(self, line: bytes) -> Iterator[Mention]:
        # Without the escaped quotes, quotes stand only at the ends of strings, so every second
        # piece is a string.
        hidden = line.replace(rb"\\", _BACKSLASH.encode()).replace(rb"\"", _QUOTE.encode())
        pieces = hidden.split(b'"')
        for number, piece in enumerate(pieces):
            if number % 2:
                if self._equals(piece):
                    before = pieces[number - 1].strip() == b":"
                    yield _mention(before and _is_key(pieces[number - 2]))
            elif number and self._is_number and self._bytes in piece:
                # Only the key of a number shows what the number is: a price is not an id.
                at = piece.index(self._bytes)
                is_value = self._is_number_at(piece, at) and piece[:at].strip() == b":"
                if is_value and _is_key(pieces[number - 1]):
                    yield Mention.AS_USER

    def _equals(self, piece: bytes) -> bool:
        return piece == self._bytes or (_is_escaped(piece) and _decoded_string(piece) == self._id)

    def _is_number_at(self, piece: bytes, at: int) -> bool:
        end = at + len(self._bytes)
        around = piece[max(0, at - 1) : at] + piece[end : end + 1]
        return _PART_OF_NUMBER.isdisjoint(around)

    def _as_word(self, text: str) -> Mention:
        """Return how a text that is not JSON mentions the user.

        `joanna` does not mention `anna`. A part of an e-mail address is not a word of its own, so
        `anna@example.com` mentions neither `anna` nor `example.com`.
        """
        found = Mention.NOT
        has_key = _KEY.search(text) is not None
        for at in _positions(self._id, text):
            end = at + len(self._id)
            if _is_part_of_a_word(text, at, end):
                continue
            found = Mention.NAMED
            if not has_key:
                break
            before = _BEFORE.search(text, max(0, at - _LONGEST_BEFORE), at)
            if before is not None:
                quote = before[1]
                is_whole = end == len(text) or text[end] == quote if quote else None
                if is_whole or (is_whole is None and _AFTER.match(text, end)):
                    return Mention.AS_USER
        return found


def _mention(is_user: bool) -> Mention:
    return Mention.AS_USER if is_user else Mention.NAMED


def _is_json(line: bytes) -> bool:
    try:
        _any_decoder.decode(line)
    except (ValueError, RecursionError):
        return False
    return True


def _positions(part: AnyStr, whole: AnyStr) -> Iterator[int]:
    """Yield the positions at which a part begins in the whole."""
    at = whole.find(part)
    while at >= 0:
        yield at
        at = whole.find(part, at + 1)


def _is_escaped(piece: bytes) -> bool:
    return b"\\" in piece or b"\x00" in piece or b"\x01" in piece


def _decoded_string(piece: bytes) -> str | None:
    """Return the text of a JSON string."""
    text = piece.replace(_QUOTE.encode(), rb"\"").replace(_BACKSLASH.encode(), rb"\\")
    try:
        return _text_decoder.decode(b'"' + text + b'"')
    except ValueError:
        return None


def _is_key(piece: bytes) -> bool:
    """Return whether a JSON string is a key whose value is a user's id."""
    text = _decoded_string(piece) if _is_escaped(piece) else None
    return (piece if text is None else text.encode()).lower() in _KEYS


def _is_part_of_a_word(text: str, start: int, end: int) -> bool:
    """Return whether a slice of a text is part of a longer word or of an e-mail address."""
    if start and _is_word(text[start]) and _is_word(text[start - 1]):
        return True
    if end < len(text) and _is_word(text[end - 1]) and _is_word(text[end]):
        return True
    if "@" in text[start:end]:
        return False
    if end < len(text) and text[end] in "@.+-" and _REST_OF_LOCAL_PART.match(text, end):
        return True
    return (
        start > 0
        and text[start - 1] in "@.-"
        and _REST_OF_DOMAIN.search(text[max(0, start - _LONGEST_DOMAIN) : start]) is not None
    )


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _texts(line: bytes) -> Iterator[str]:
    """Yield a line as it stands and, if it has backslashes, with JSON's escapes decoded.

    They are decoded anywhere in the line, since it need not be JSON.
    """
    text = line.decode(errors="replace")
    yield text
    if "\\" in text:
        yield _unescaped(text)


def _unescaped(text: str) -> str:
    text = text.replace(
        r"\\", _BACKSLASH
    )  # from the left, so every other backslash begins an escape
    if r"\u" in text:
        text = _ESCAPED.sub(lambda escape: chr(int(escape[1], 16)), text)
        # A pair of surrogates is one character only after a round trip through UTF-16.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    for letter, character in _LETTERS.items():
        text = text.replace("\\" + letter, character)
    return text.replace("\\", "").replace(_BACKSLASH, "\\")

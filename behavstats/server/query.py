"""The query of a request: parsed once, and checked against what its route knows."""

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

from behavstats.errors import InvalidInput

_LONGEST_QUERY = 8_192  # bytes
_LONGEST_SHOWN = 40  # characters
_QUERY = "behavstats.server.query"  # key in the environment of a request


class _Query(NamedTuple):
    values: dict[str, str]  # of a name that is repeated, the last
    repeated: str | None


def query_of(environ: dict[str, Any]) -> Mapping[str, str]:
    """Return the query of a request; of a name that is repeated, the last value.

    InvalidInput if it is over 8 KiB long.
    """
    return _query_of(environ).values


def check_query(environ: dict[str, Any], known: Collection[str]) -> None:
    """Raise InvalidInput for a parameter that is not known, or comes twice.

    If it were passed over, a mistyped `as_of` would be answered for now.
    """
    values, repeated = _query_of(environ)
    for name in values:
        if name not in known:
            shown = name if len(name) <= _LONGEST_SHOWN else name[:_LONGEST_SHOWN] + "…"
            message = f"there is no parameter {shown!r}: {_advice(name, known)}"
            raise InvalidInput("unknown_parameter", message, shown)
    if repeated is not None:
        raise InvalidInput("repeated_parameter", f"{repeated} is given more than once", repeated)


def _advice(name: str, known: Collection[str]) -> str:
    # A capital counts as an underscore and its small letter, so that `asOf` is near to `as_of`.
    spelled = "".join("_" + one.lower() if one.isupper() else one for one in name[:_LONGEST_SHOWN])
    near = get_close_matches(spelled.replace("-", "_"), known, n=1, cutoff=0.5)
    if near:
        return f"did you mean {near[0]}?"
    return f"known are {', '.join(known)}" if known else "this operation takes none"


def _query_of(environ: dict[str, Any]) -> _Query:
    query: _Query | None = environ.get(_QUERY)
    if query is None:
        query = environ[_QUERY] = _parsed(environ["QUERY_STRING"])
    return query


def _parsed(text: str) -> _Query:
    # Not `request.query`, which takes a value that is not UTF-8 for one that is not there; and not
    # `parse_qsl`, which takes as long as reading a profile.
    if len(text) > _LONGEST_QUERY:
        raise InvalidInput("query_too_long", f"the query is over {_LONGEST_QUERY:,} bytes long")
    values: dict[str, str] = {}
    repeated: str | None = None
    for pair in text.split("&") if text else ():
        name, _, value = pair.partition("=")
        if pair:
            name = unquote_plus(name)
            if name in values:
                repeated = name
            values[name] = unquote_plus(value)
    return _Query(values, repeated)

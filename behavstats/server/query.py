"""The query of a request, and the check for parameters that its route does not have."""

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import NamedTuple
from urllib.parse import unquote_plus

from behavstats.errors import InvalidInput

_LONGEST_QUERY = 8_192  # bytes
_LONGEST_SHOWN = 40  # characters


class Query(NamedTuple):
    """The parameters of a query. `repeated` is the name of one that occurs more than once."""

    values: Mapping[str, str]  # a repeated parameter has its last value
    repeated: str | None = None

    def check(self, known: Collection[str]) -> None:
        """Raise InvalidInput for a parameter that is unknown, or occurs more than once.

        If a mistyped `as_of` were ignored, the client would get the profile as of now instead.
        """
        for name in self.values:
            if name not in known:
                shown = name if len(name) <= _LONGEST_SHOWN else name[:_LONGEST_SHOWN] + "…"
                message = f"there is no parameter {shown!r}: {_advice(name, known)}"
                raise InvalidInput("unknown_parameter", message, shown)
        if self.repeated is not None:
            message = f"{self.repeated} is given more than once"
            raise InvalidInput("repeated_parameter", message, self.repeated)


_EMPTY = Query({})


def parse_query(text: str) -> Query:
    """Parse a query string. Raises InvalidInput if it is longer than 8 KiB."""
    # Not Bottle's `request.query`, which treats a value that is not UTF-8 as missing; and not
    # `parse_qsl`, which takes as long as reading a profile.
    if not text:
        return _EMPTY
    if len(text) > _LONGEST_QUERY:
        raise InvalidInput("query_too_long", f"the query is over {_LONGEST_QUERY:,} bytes long")
    values: dict[str, str] = {}
    repeated: str | None = None
    for pair in text.split("&"):
        name, _, value = pair.partition("=")
        if pair:
            name = unquote_plus(name)
            if name in values:
                repeated = name
            values[name] = unquote_plus(value)
    return Query(values, repeated)


def _advice(name: str, known: Collection[str]) -> str:
    # Camel case is compared as snake case, so that `asOf` is similar to `as_of`.
    spelled = "".join("_" + one.lower() if one.isupper() else one for one in name[:_LONGEST_SHOWN])
    near = get_close_matches(spelled.replace("-", "_"), known, n=1, cutoff=0.5)
    if near:
        return f"did you mean {near[0]}?"
    return f"use {', '.join(known)}" if known else "this operation has no parameters"

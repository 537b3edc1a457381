"""Bounds on the rejected lines that a store keeps; the environment may set others."""

import os
from collections.abc import Mapping

from behavstats.errors import InvalidInput
from behavstats.store.base import _DAY, _MIB, Bounds

_PREFIX = "BEHAVSTATS_REJECTS_MAX_"


def bounds_of(environment: Mapping[str, str] = os.environ) -> Bounds:
    """Return the bounds that the environment asks for; InvalidInput if one is no whole number.

    `BEHAVSTATS_REJECTS_MAX_LINES`, `..._MAX_MIB` and `..._MAX_DAYS`, each 1 or more.
    """
    default = Bounds()
    return Bounds(
        _number(environment, "LINES", default.lines),
        _number(environment, "MIB", default.bytes // _MIB) * _MIB,
        _number(environment, "DAYS", default.age // _DAY) * _DAY,
    )


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    variable = _PREFIX + name
    text = environment.get(variable) or str(default)
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text)):
        message = f"{variable} is {text!r}, not a whole number from 1 to 999,999,999"
        raise InvalidInput("invalid_setting", message)
    return int(text)

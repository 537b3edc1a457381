"""Admission: whether a request may have what it asks for, decided before its body is read."""

from typing import Any

from behavstats.errors import BehavstatsError
from behavstats.server.asgi import Standing
from behavstats.server.auth import Keys, credential
from behavstats.server.origins import Origins
from behavstats.server.query import query_of
from behavstats.server.routes import ROUTES, Route

_ADMITTED = "behavstats.admitted"  # key in the environment of a request that was checked
_TAKING = {(route.method, route.path): route for route in ROUTES if route.takes}


class Admission:
    """The one place that compares what a request shows with what its route needs."""

    def __init__(self, keys: Keys, origins: Origins) -> None:
        """Admit by keys; without any, by origins."""
        self._keys = keys
        self._has_keys = bool(keys)
        self._origins = origins

    def check(self, route: Route, environ: dict[str, Any], key_in_path: str | None = None) -> None:
        """Raise AccessDenied unless a request may have the answer, as far as its head tells."""
        if _ADMITTED not in environ:
            self._is_known(route, environ, key_in_path)

    def standing_of(self, environ: dict[str, Any]) -> Standing:
        """Return what is known of a request that has a body, before that is read."""
        route = _TAKING.get((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        if route is None:  # no route, or one that does not read a body
            return Standing.REFUSED
        try:
            is_known = self._is_known(route, environ, None)
        except BehavstatsError:
            return Standing.REFUSED  # checked again, it is the answer
        environ[_ADMITTED] = True
        return Standing.WELCOME if is_known else Standing.STRANGER

    def _is_known(self, route: Route, environ: dict[str, Any], key_in_path: str | None) -> bool:
        """Return whether all is shown that is needed; False if the key may be in the body."""
        self._origins.check(route.scope, environ)
        if not (self._has_keys and route.scope):
            return True
        key = credential(environ, query_of(environ)) or key_in_path
        if key is None and route.takes:
            return False
        self._keys.check(route.scope, key)
        return True

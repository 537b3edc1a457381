"""Admission: decides whether a request is allowed, before its body is read."""

from behavstats.server.auth import Keys, Scope
from behavstats.server.origins import Origins
from behavstats.server.request import Request
from behavstats.server.routes import Route


class Admission:
    """The one place that compares the key and origin of a request with the scope of its route."""

    def __init__(self, keys: Keys, origins: Origins) -> None:
        """Check keys or, if the server has no keys, origins."""
        self._keys = keys
        self._has_keys = bool(keys)
        self._origins = origins

    def check(self, route: Route, request: Request) -> None:
        """Raise an error unless the request is allowed, as far as its headers and query show.

        Raises AccessDenied for a wrong or missing key or a wrong origin, and InvalidInput for a
        parameter that the route does not have. If the key can only be in the body, the request is
        marked as unauthenticated instead.
        """
        if route.is_public:
            return
        self._origins.check(route.scope, request.headers)
        if self._has_keys and route.scope:
            self._check_key(route, request)
        if route.scope is not Scope.SENDING:  # clients may add parameters of their own
            request.query.check(route.in_query)

    def _check_key(self, route: Route, request: Request) -> None:
        key = request.credential
        if key is None and route.takes:
            request.is_authenticated = False
        else:
            self._keys.check(route.scope, key)

"""Admission: whether a request may have what it asks for, decided before its body is read."""

from behavstats.server.auth import Keys, Scope
from behavstats.server.origins import Origins
from behavstats.server.request import Request
from behavstats.server.routes import Route


class Admission:
    """The one place that compares what a request shows with what its route asks for."""

    def __init__(self, keys: Keys, origins: Origins) -> None:
        """Decide by keys; if there are no keys, by origins."""
        self._keys = keys
        self._has_keys = bool(keys)
        self._origins = origins

    def check(self, route: Route, request: Request) -> None:
        """Raise an error unless the request may have the answer, as far as its head tells.

        Raises AccessDenied for a wrong or missing key, or a wrong origin; InvalidInput for a query
        that the route does not know. If only the body can show the key, the request is marked as
        unauthenticated instead.
        """
        if route.is_public:
            return
        self._origins.check(route.scope, request.headers)
        if self._has_keys and route.scope:
            self._check_key(route, request)
        if route.scope is not Scope.SENDING:  # clients and browsers may add parameters of theirs
            request.query.check(route.in_query)

    def _check_key(self, route: Route, request: Request) -> None:
        key = request.credential
        if key is None and route.takes:
            request.is_authenticated = False
        else:
            self._keys.check(route.scope, key)

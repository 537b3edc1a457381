"""Admission: whether a request may have what it asks for, decided before its body is read."""

from typing import Any

from behavstats.errors import BehavstatsError
from behavstats.server.asgi import Standing
from behavstats.server.auth import Keys, given_key
from behavstats.server.origins import Origins
from behavstats.server.query import query_of
from behavstats.server.routes import OPERATIONS, Operation

_ADMITTED = "behavstats.admitted"  # key in the environment of a request that was checked
_TAKING = {
    (operation.method, operation.path): operation for operation in OPERATIONS if operation.takes
}


class Admission:
    """The one place that compares what a request shows with what its operation needs."""

    def __init__(self, keys: Keys, origins: Origins) -> None:
        """Admit by keys; without any, by origins."""
        self._keys = keys
        self._has_keys = bool(keys)
        self._origins = origins

    def check(
        self, operation: Operation, environ: dict[str, Any], key_in_path: str | None = None
    ) -> None:
        """Raise AccessDenied unless a request may have the answer, as far as its head tells."""
        if _ADMITTED not in environ:
            self._is_known(operation, environ, key_in_path)

    def standing_of(self, environ: dict[str, Any]) -> Standing:
        """Return what is known of a request that has a body, before that is read."""
        operation = _TAKING.get((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        if operation is None:  # no route, or one that does not read a body
            return Standing.REFUSED
        try:
            is_known = self._is_known(operation, environ, None)
        except BehavstatsError:
            return Standing.REFUSED  # checked again, it is the answer
        environ[_ADMITTED] = True
        return Standing.WELCOME if is_known else Standing.STRANGER

    def _is_known(
        self, operation: Operation, environ: dict[str, Any], key_in_path: str | None
    ) -> bool:
        """Return whether all is shown that is needed; False if the key may be in the body."""
        self._origins.check(operation.need, environ)
        if not (self._has_keys and operation.need):
            return True
        key = given_key(environ, query_of(environ)) or key_in_path
        if key is None and operation.takes:
            return False
        self._keys.check(operation.need, key)
        return True

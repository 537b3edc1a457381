"""The HTTP application: Bottle finds the route of a request; everything else happens here."""

from collections.abc import Iterable

import bottle

from behavstats.errors import InvalidInput
from behavstats.server.admission import Admission
from behavstats.server.handlers import Handlers
from behavstats.server.origins import Origins
from behavstats.server.render import MethodNotAllowed, NotFound, Rendered, Renderer
from behavstats.server.request import Pending, Request, Response
from behavstats.server.routes import ROUTES, UNDOCUMENTED, Route

# A user id may contain any character, even a slash, or a newline, which `.` does not match.
_PATTERNS = {"{user_id}": "<user_id:re:(?s:.*)>", "{key}": "<key:re:.+>", "{file}": "<file>"}


class Application:
    """Answers requests in four steps, each of which is called once for a request.

    `match` finds the route, `admit` checks the headers and the query, `handle` calls the handler,
    and `render` encodes the answer. Only `match` uses Bottle.
    """

    def __init__(
        self,
        handlers: Handlers,
        admission: Admission,
        origins: Origins,
        routes: Iterable[Route] = (*ROUTES, *UNDOCUMENTED),
    ) -> None:
        """Serve `routes`, whose handlers are methods of `handlers`."""
        self._bottle = bottle.Bottle()
        for route in routes:
            rule = route.path
            for name, pattern in _PATTERNS.items():
                rule = rule.replace(name, pattern)
            self._bottle.route(rule, route.method, route.handler, name=route.path, route=route)
        self._handlers = handlers
        self.admit = admission.check
        self._render = Renderer(origins).render

    def match(self, request: Request) -> Route:
        """Return the route of a request. Raises NotFound, MethodNotAllowed or InvalidInput."""
        head = {"REQUEST_METHOD": request.method, "PATH_INFO": request.path}
        try:
            matched, request.parameters = self._bottle.match(head)
        except bottle.HTTPError as error:
            path = request.path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            if error.status_code == 404:
                raise NotFound(path) from None
            if error.status_code == 405:
                raise MethodNotAllowed(request.method, path, error.headers["Allow"]) from None
            raise InvalidInput("http_error", str(error.body)) from None
        route: Route = matched.config["route"]
        request.template = route.path
        return route

    def handle(self, route: Route, request: Request) -> Response | Pending:
        """Call the handler of a route. Raises the error that the handler raises."""
        return route.handler(self._handlers, request)

    def render(
        self, request: Request, route: Route | None, result: Response | Exception
    ) -> Rendered:
        """Encode the answer to a request: its response, or the error that ended it."""
        return self._render(request, route, result)

"""The HTTP interface: from the bytes of a request to the bytes of its answer.

A request goes one way. `asgi` receives it from granian, `app` finds its route with Bottle,
`admission` checks its key and origin, `body_reader` reads its body, one of the `handlers` answers
it, `group_commit` makes its payload durable, and `render` encodes the answer. The table in `routes`
has the handler of each route, and `openapi` generates the OpenAPI document from it.

Import what you need from the modules named below; importing this package loads none of them.
"""

__all__ = [
    "admission",
    "app",
    "asgi",
    "auth",
    "group_commit",
    "handlers",
    "key_files",
    "metrics",
    "openapi",
    "origins",
    "request_slots",
    "routes",
]

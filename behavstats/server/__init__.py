"""The HTTP interface: from the bytes of a request to the bytes of its answer.

A request goes one way. `asgi` takes it from the server, `app` routes it with Bottle, `admission`
checks its key and origin, `body_reader` reads its body, one of the `handlers` answers it,
`group_commit` makes its payload durable, and `render` makes the bytes of the answer. The table in
`routes` says which handler answers what, and `openapi` makes the document from it.

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
    "request",
    "request_slots",
    "routes",
]

"""The documentation page: Swagger UI, from the files of a Python package."""

import gzip
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from behavstats.errors import NothingThere

# The page loads everything from this server, and no other page may show it in a frame. Swagger UI
# sets inline styles, which contain its icons.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}

PAGE = b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>behavstats: the HTTP interface</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="documentation"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""

# Without `validatorUrl: null`, Swagger UI would let another host validate the document. The aliases
# are collapsed.
_START = b"""const page = SwaggerUIBundle({
  url: "openapi.json", dom_id: "#documentation", validatorUrl: null, defaultModelsExpandDepth: 0,
  onComplete: () => page.layoutActions.show(["operations-tag", "Aliases"], false),
});
"""

TYPES = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "start.js": "text/javascript; charset=utf-8",
}
"""The files that the page needs, and their content types."""

_PATHS = {
    "swagger-ui.css": "stylesheets/swagger-ui.css",
    "swagger-ui-bundle.js": "javascripts/swagger-ui-bundle.js",
}


@cache
def file(name: str) -> tuple[str, bytes]:
    """Return the content type of a file that the page needs, and its content as gzip data.

    Raises NothingThere if the page needs no file of this name.
    """
    if name not in TYPES:
        raise NothingThere(name)
    content = _START if name == "start.js" else (_folder() / _PATHS[name]).read_bytes()
    return TYPES[name], gzip.compress(content, mtime=0)


def _folder() -> Path:
    # The package is not imported, because only its files are needed.
    spec = find_spec("mkdocs_swagger_ui_tag")
    if spec is None or not spec.submodule_search_locations:
        raise NothingThere("Swagger UI")
    return Path(spec.submodule_search_locations[0], "swagger-ui")

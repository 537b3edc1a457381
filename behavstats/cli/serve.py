"""Commands that serve the store over HTTP, and create keys for that."""

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from behavstats.cli.common import (
    DEFAULT_DB,
    Database,
    app,
    print_error,
    rejects_command,
    store_options,
)
from behavstats.cli.help import Application

if TYPE_CHECKING:
    from behavstats.server.auth import Keys

_LOCK_TIMEOUT = 5.0  # seconds that a request waits for another process that writes to the store
_WRITE_KEYS, _SECRET_KEYS = "BEHAVSTATS_WRITE_KEYS", "BEHAVSTATS_SECRET_KEYS"


def _given_keys(
    context: typer.Context, parameter: typer.CallbackParam, keys: list[str] | None
) -> list[str]:
    """Return the keys; in an environment variable, they are separated by commas or blanks."""
    keys = keys or []
    source = context.get_parameter_source(str(parameter.name))
    if source is not None and source.name == "ENVIRONMENT":
        return [key for text in keys for key in text.split(",") if key]
    return keys


_Host = Annotated[
    str,
    typer.Option(
        envvar="BEHAVSTATS_HOST", metavar="HOST", help="The address or host name to listen on."
    ),
]
_Port = Annotated[
    int,
    typer.Option(
        envvar="BEHAVSTATS_PORT", metavar="PORT", min=1, max=65535, help="The port to listen on."
    ),
]
_Watch = Annotated[
    list[str] | None,
    typer.Option(metavar="PATH", help="A file or folder to follow; can be repeated."),
]
_WriteKey = Annotated[
    list[str] | None,
    typer.Option(
        envvar=_WRITE_KEYS,
        show_envvar=True,
        metavar="KEY",
        callback=_given_keys,
        help="A key that can only send page views; can be repeated. In the variable, separate keys "
        "by blanks or commas.",
    ),
]
_SecretKey = Annotated[
    list[str] | None,
    typer.Option(
        envvar=_SECRET_KEYS,
        show_envvar=True,
        metavar="KEY",
        callback=_given_keys,
        help="A key that can do everything; can be repeated.",
    ),
]
_WriteKeyFile = Annotated[
    Path | None,
    typer.Option(
        envvar="BEHAVSTATS_WRITE_KEYS_FILE",
        metavar="PATH",
        readable=False,
        help="A file with one write key a line, or the output of `keys new`.",
    ),
]
_SecretKeyFile = Annotated[
    Path | None,
    typer.Option(
        envvar="BEHAVSTATS_SECRET_KEYS_FILE",
        metavar="PATH",
        readable=False,
        help="The same for secret keys; the output of `keys new` can be used for both.",
    ),
]
_CorsOrigin = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ORIGIN",
        help="A website whose pages can send page views, or * for any; can be repeated.  "
        "[default: any if there are keys, otherwise none]",
    ),
]


@app.command(epilog="Example: behavstats serve --port 8080")
def serve(
    host: _Host = "127.0.0.1",
    port: _Port = 8000,
    watch: _Watch = None,
    write_key: _WriteKey = None,
    secret_key: _SecretKey = None,
    write_key_file: _WriteKeyFile = None,
    secret_key_file: _SecretKeyFile = None,
    cors_origin: _CorsOrigin = None,
    db: Database = DEFAULT_DB,
) -> None:
    """Serve the store over HTTP.

    It stops on Ctrl-C or SIGTERM, after it has answered the requests in progress.
    """
    from behavstats.server.origins import Origins

    keys = _all_keys(write_key or [], secret_key or [], write_key_file, secret_key_file)
    origins = Origins(cors_origin or None, keys)
    options = store_options(db, _LOCK_TIMEOUT)
    from behavstats.daemon.options import ServerOptions
    from behavstats.daemon.supervisor import serve

    watched = tuple(watch or ())
    serve(options, ServerOptions(host, port, keys, origins, watched, rejects_command(db)))


def _all_keys(
    write: list[str], secret: list[str], write_file: Path | None, secret_file: Path | None
) -> "Keys":
    """Return the keys of all options; warn about each file of keys that other users can read.

    Raises InvalidInput for a bad key, and SourceError for a file that cannot be read.
    """
    from behavstats.server.auth import Keys
    from behavstats.server.key_files import read_keys

    exposed: list[Path] = []
    all_keys = []
    for given, file, variable in (
        (write, write_file, _WRITE_KEYS),
        (secret, secret_file, _SECRET_KEYS),
    ):
        found, is_exposed = read_keys(file, variable) if file is not None else ([], False)
        if file is not None and is_exposed and file not in exposed:
            exposed.append(file)
            command = f"chmod o-r {quote(str(file))}"
            print_error(f"{file}: other users can read these keys; protect them: {command}")
        all_keys.append([*given, *found])
    return Keys(*all_keys)


keys = Application(help="Create keys for the server.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(keys, name="keys")


@keys.command(epilog="Example: behavstats keys new > keys.env")
def new() -> None:
    """Print a new pair of keys, as environment variables."""
    from behavstats.server.auth import new_key

    print(f"{_WRITE_KEYS}={new_key()}")
    print(f"{_SECRET_KEYS}={new_key()}")

"""The command that serves the store, and the keys of those who may ask."""

from pathlib import Path
from typing import Annotated

import typer

from behavstats.cli.common import DEFAULT_DB, Database, app, print_error, store_options
from behavstats.cli.help import Application

_LOCK_TIMEOUT = 5.0  # seconds; a request waits no longer for another process
_WRITE_KEYS, _SECRET_KEYS = "BEHAVSTATS_WRITE_KEYS", "BEHAVSTATS_SECRET_KEYS"


def _given_keys(
    context: typer.Context, parameter: typer.CallbackParam, keys: list[str] | None
) -> list[str]:
    """Return the keys; in an environment variable, commas part them as well."""
    keys = keys or []
    source = context.get_parameter_source(str(parameter.name))
    if source is not None and source.name == "ENVIRONMENT":
        return [key for text in keys for key in text.split(",") if key]
    return keys


def _keys_of(file: Path | None, variable: str) -> list[str]:
    """Return the keys in a file, if there is one; complain if it is there for all to read."""
    if file is None:
        return []
    from behavstats.server.key_files import read_keys

    keys, is_open_to_others = read_keys(file, variable)
    if is_open_to_others:
        print_error(f"{file}: others can read these keys; chmod o-r makes them yours")
    return keys


@app.command(epilog="Example: behavstats serve --port 8080")
def serve(
    host: Annotated[
        str,
        typer.Option(envvar="BEHAVSTATS_HOST", metavar="HOST", help="The address to listen on."),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            envvar="BEHAVSTATS_PORT",
            metavar="PORT",
            min=1,
            max=65535,
            help="The port to listen on.",
        ),
    ] = 8000,
    watch: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="A file or folder to follow; again for another."),
    ] = None,
    write_key: Annotated[
        list[str] | None,
        typer.Option(
            envvar=_WRITE_KEYS,
            show_envvar=True,
            metavar="KEY",
            callback=_given_keys,
            help="A key that may only send; again for another. In the variable, blanks or commas "
            "part them.",
        ),
    ] = None,
    secret_key: Annotated[
        list[str] | None,
        typer.Option(
            envvar=_SECRET_KEYS,
            show_envvar=True,
            metavar="KEY",
            callback=_given_keys,
            help="A key that may do everything; again for another.",
        ),
    ] = None,
    write_key_file: Annotated[
        Path | None,
        typer.Option(
            envvar="BEHAVSTATS_WRITE_KEYS_FILE",
            metavar="PATH",
            readable=False,
            help="A file of write keys, one a line, or of `keys new`.",
        ),
    ] = None,
    secret_key_file: Annotated[
        Path | None,
        typer.Option(
            envvar="BEHAVSTATS_SECRET_KEYS_FILE",
            metavar="PATH",
            readable=False,
            help="A file of secret keys; it may be the same file of `keys new`.",
        ),
    ] = None,
    cors_origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN",
            help="A site whose pages may send, or *; again for another.  "
            "[default: any if there are keys, else none]",
        ),
    ] = None,
    db: Database = DEFAULT_DB,
) -> None:
    """Serve the store over HTTP.

    It ends on Ctrl-C or SIGTERM, once the requests under way are answered.
    """
    write_keys = [*(write_key or ()), *_keys_of(write_key_file, _WRITE_KEYS)]
    secret_keys = [*(secret_key or ()), *_keys_of(secret_key_file, _SECRET_KEYS)]
    from behavstats.server.auth import Keys
    from behavstats.server.origins import Origins

    keys = Keys(write_keys, secret_keys)
    origins = Origins(cors_origin or None, keys)
    options = store_options(db, _LOCK_TIMEOUT)
    from behavstats.daemon.options import ServerOptions
    from behavstats.daemon.supervisor import serve

    serve(options, ServerOptions(host, port, keys, origins, tuple(watch or ())))


keys = Application(help="Make keys for the server.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(keys, name="keys")


@keys.command(epilog="Example: behavstats keys new > keys.env")
def new() -> None:
    """Print a fresh pair of keys, as environment variables."""
    from behavstats.server.auth import new_key

    print(f"{_WRITE_KEYS}={new_key()}")
    print(f"{_SECRET_KEYS}={new_key()}")

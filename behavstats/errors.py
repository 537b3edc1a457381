"""The tree of errors. Each error has a stable code.

Only the HTTP server turns an error into a status, and only the command line into an exit code.

BehavstatsError
├── InvalidInput            an input is wrong; the error names the field, if there is one
│   └── TooLarge            a request, or a part of it, is longer than the limit
├── AccessDenied            the key is of the wrong kind, or a web page must not send this request
│   └── NotAuthenticated    there is no key, or an unknown one
├── SlowClient              a client does not send its whole request in time
├── NothingThere            nothing is served at this path
├── UnknownUser             the store holds no page views of this user
├── UnknownSource           no file with this name was ever followed
├── SourceError             an input file cannot be opened, or cannot be read to its end
├── BackupError             a backup cannot be made, or a store cannot be restored from it
├── AddressError            the server cannot listen on this address
└── StoreError
    ├── NoStore             there is no store at this path
    ├── NotAStore           the file is something else, or a store of a newer version
    ├── OffsetConflict      another process follows the same file and has read more of it
    ├── StoreBusy           another process holds the store; trying again later helps
    │   └── Overloaded      too many requests are waiting for the store
    ├── StoreAbandoned      the store's files were replaced; only a new process can open them
    └── StoreUnavailable    the store cannot be read or written (permissions, disk, damage)
"""

from typing import TypeVar


class BehavstatsError(Exception):
    """An expected failure. Its text is one line, written for a person."""

    code = "error"


_AnyError = TypeVar("_AnyError", bound=BaseException)


def detached(error: _AnyError) -> _AnyError:
    """Return an error without its traceback and without the errors that led to it.

    The frames of a traceback keep local variables alive, such as the whole body of a request or a
    block of lines. So an error that is stored, or handed to another thread, is detached first.
    """
    error.__traceback__ = error.__context__ = error.__cause__ = None
    return error


class InvalidInput(BehavstatsError):
    """An input breaks a rule.

    `code` is also the reason for which a line is rejected. `field` is the name of the value, if it
    has one.
    """

    def __init__(self, code: str, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.field = field


class TooLarge(InvalidInput):
    """A request, or a part of it, is longer than the limit."""

    def __init__(self, what: str, limit: int, unit: str = "bytes") -> None:
        super().__init__(f"{what}_too_large", f"the {what} is longer than {limit:,} {unit}")


class AccessDenied(BehavstatsError):
    """The request is not allowed, because of its key or because of its origin."""

    code = "forbidden"


class NotAuthenticated(AccessDenied):
    """The request needs a key, but has no key or an unknown one."""

    code = "unauthorized"


class SlowClient(BehavstatsError):
    """A client did not send its whole request in time."""

    code = "request_timeout"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the request was not complete within {seconds:g} s")


class NothingThere(BehavstatsError):
    """Nothing is served at this path."""

    code = "not_found"

    def __init__(self, what: str) -> None:
        super().__init__(f"there is no {what}")


class UnknownUser(BehavstatsError):
    """The store holds no page views of this user."""

    code = "unknown_user"

    def __init__(self, user_id: str) -> None:
        super().__init__(f"unknown user {user_id!r}: the store holds no page views of this user")


class UnknownSource(BehavstatsError):
    """No file with this name was ever followed into the store."""

    code = "unknown_source"

    def __init__(self, name: str) -> None:
        super().__init__(f"unknown source {name}: `behavstats sources` lists the known ones")


class SourceError(BehavstatsError):
    """An input file cannot be opened, or cannot be read to its end."""

    code = "unreadable_source"


class BackupError(BehavstatsError):
    """A backup cannot be made in this file, or a store cannot be restored from it."""

    code = "backup_failed"

    def __init__(self, backup: object, reason: object, what: str = "make the backup") -> None:
        super().__init__(f"cannot {what} {backup}: {reason}")


class AddressError(BehavstatsError):
    """The server cannot listen on this host and port."""

    code = "address_unavailable"


class StoreError(BehavstatsError):
    """The store cannot carry out an operation."""

    code = "store_error"


class NoStore(StoreError):
    """There is no store at this path."""

    code = "no_store"

    def __init__(self, path: object) -> None:
        super().__init__(f"there is no store at {path} (`behavstats ingest` creates one)")


class NotAStore(StoreError):
    """The file is not a store that this version can use. It was not changed."""

    code = "not_a_store"


class OffsetConflict(StoreError):
    """Another process follows the same file and has stored more of it: read the offset again."""

    code = "overtaken"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name}: another process is following this file as well")


class StoreBusy(StoreError):
    """Another process has held the store's lock for longer than the lock timeout."""

    code = "store_busy"


class Overloaded(StoreBusy):
    """Too many requests, or too many bytes of them, are waiting for the store."""

    code = "overloaded"


class StoreUnavailable(StoreError):
    """The operating system or SQLite failed: permissions, a full disk, a damaged file."""

    code = "store_unavailable"


class StoreAbandoned(StoreError):
    """The store's files were replaced, so this process must not use its open files any more.

    A new process can open the new files.
    """

    code = "store_unavailable"

"""The tree of errors, each with a stable code; only the edges make a status or exit code of it.

BehavstatsError
├── InvalidInput            what was given is wrong; says which field, where there is one
│   └── TooLarge            a request, or what it holds, is over the limit
├── AccessDenied            a key of the wrong kind, or a web page that must not ask
│   └── NotAuthenticated    no key, or one that is not known
├── SlowClient              a request is not sent to its end in time
├── NothingThere            nothing is served at this path
├── UnknownUser             no page view of this user is stored
├── UnknownSource           no file of this name was ever followed
├── SourceError             an input file cannot be read, or not to its end
├── BackupError             a backup cannot be written, or a store not be restored from it
├── AddressError            the server cannot listen there
└── StoreError
    ├── NoStore             there is no store at this path
    ├── NotAStore           the file is something else, or of a newer version
    ├── OffsetConflict           another process took a file further that is followed here, too
    ├── StoreBusy           somebody else holds the store; trying again later helps
    │   └── Overloaded      more is waiting already than may
    ├── StoreAbandoned      another file is in use at its path; only a new process can open that
    └── StoreUnavailable    the store cannot be read or written (permissions, disk, damage)
"""

from typing import TypeVar


class BehavstatsError(Exception):
    """Anything that behavstats expects to go wrong; its text is one line for a person."""

    code = "error"


_AnyError = TypeVar("_AnyError", bound=BaseException)


def detached(error: _AnyError) -> _AnyError:
    """Return an error without its traceback and the errors that led to it.

    Frames hold what they were working on: the whole body of a request, or a block of lines. So an
    error that is kept, or handed on to somebody who waits for it, is detached first.
    """
    error.__traceback__ = error.__context__ = error.__cause__ = None
    return error


class InvalidInput(BehavstatsError):
    """A value from outside breaks a rule; of a line, `code` is the reason of its rejection.

    `field` names the value where it has a name.
    """

    def __init__(self, code: str, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.field = field


class TooLarge(InvalidInput):
    """A request, or what it holds, is longer than the limit."""

    def __init__(self, what: str, limit: int, unit: str = "bytes") -> None:
        super().__init__(f"{what}_too_large", f"the {what} is longer than {limit:,} {unit}")


class AccessDenied(BehavstatsError):
    """Whoever asks may not, be it for the lack of a key or for where they ask from."""

    code = "forbidden"


class NotAuthenticated(AccessDenied):
    """A key is needed, and there is none, or one that is not known."""

    code = "unauthorized"


class SlowClient(BehavstatsError):
    """A client has not sent its request in time."""

    code = "request_timeout"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the request was not sent to its end within {seconds:g} s")


class NothingThere(BehavstatsError):
    """There is nothing at this path."""

    code = "not_found"

    def __init__(self, what: str) -> None:
        super().__init__(f"there is no {what}")


class UnknownUser(BehavstatsError):
    """The store holds no page view of this user."""

    code = "unknown_user"

    def __init__(self, user_id: str) -> None:
        super().__init__(f"unknown user {user_id!r}: the store holds no page view of it")


class UnknownSource(BehavstatsError):
    """The store knows of no file of this name that was followed."""

    code = "unknown_source"

    def __init__(self, name: str) -> None:
        super().__init__(f"unknown source {name}: behavstats sources lists those that are known")


class SourceError(BehavstatsError):
    """An input file cannot be opened, or not be read to its end."""

    code = "unreadable_source"


class BackupError(BehavstatsError):
    """A backup cannot be written to this file, or a store not be restored from it."""

    code = "backup_failed"

    def __init__(self, backup: object, reason: object, what: str = "make the backup") -> None:
        super().__init__(f"cannot {what} {backup}: {reason}")


class AddressError(BehavstatsError):
    """The server cannot listen on this host and port."""

    code = "address_unavailable"


class StoreError(BehavstatsError):
    """The store cannot do what was asked of it."""

    code = "store_error"


class NoStore(StoreError):
    """There is no store at this path."""

    code = "no_store"

    def __init__(self, path: object) -> None:
        super().__init__(f"there is no store at {path} (behavstats ingest makes one)")


class NotAStore(StoreError):
    """The file at this path is not a store that this version can use; it was left untouched."""

    code = "not_a_store"


class OffsetConflict(StoreError):
    """Another process follows the same file, and has stored more of it; look at it again."""

    code = "overtaken"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name}: another process follows it, too")


class StoreBusy(StoreError):
    """Another process holds the store for longer than we were told to wait."""

    code = "store_busy"


class Overloaded(StoreBusy):
    """More requests, or bytes of them, are waiting for the store than may."""

    code = "overloaded"


class StoreUnavailable(StoreError):
    """The operating system or SQLite refuses: permissions, a full disk, a damaged file."""

    code = "store_unavailable"


class StoreAbandoned(StoreError):
    """The store's files were replaced in a way after which this process must not go on with them.

    A process that opens them anew can.
    """

    code = "store_unavailable"

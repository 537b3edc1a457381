"""The command line. A command parses its options, makes one call, and prints the result.

Commands import heavy modules themselves, so that `--help` and `profile` start quickly.
"""

import os
import sys
from io import TextIOWrapper

from behavstats.cli import ingest, maintain, rejects, serve, stats, users, watch  # noqa: F401
from behavstats.cli.common import PARTLY, UNUSABLE, USAGE, app, discard_output, print_error
from behavstats.errors import BehavstatsError, InvalidInput, UnknownSource, UnknownUser

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line; print an expected failure as one line, and exit with its code."""
    # The streams are None if the parent process closed them.
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # for characters that the locale lacks
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except BehavstatsError as error:
        print_error(error)
        sys.exit(_exit_code(error))
    except MemoryError:
        print_error("there is not enough memory")
        sys.exit(UNUSABLE)
    except OSError as error:
        discard_output(sys.stdout)
        if isinstance(error, BrokenPipeError):  # `| head` closes the pipe, which is not a failure
            sys.exit(PARTLY)
        print_error(error.strerror or error)
        sys.exit(UNUSABLE)


def _exit_code(error: BehavstatsError) -> int:
    if isinstance(error, UnknownUser | UnknownSource):
        return PARTLY
    return USAGE if isinstance(error, InvalidInput) else UNUSABLE

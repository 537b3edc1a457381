"""Where the program starts: little is imported here, so that Ctrl-C is met from the beginning."""

import signal
import sys


def main() -> None:
    """Run the command line; exit code 130 if it is interrupted, also while modules are imported.

    SIGTERM interrupts as Ctrl-C does, so that what is under way is undone and other processes are
    ended; a command that runs until it is told to stop sets handlers of its own.
    """
    try:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        from behavstats.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()

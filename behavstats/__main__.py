"""The entry point. It imports little, so that Ctrl-C is handled from the beginning."""

import signal
import sys


def main() -> None:
    """Run the command line; exit with code 130 if it is interrupted, even during imports.

    SIGTERM interrupts like Ctrl-C, so that an open transaction is rolled back and child processes
    end. A command that runs until it is stopped sets handlers of its own.
    """
    try:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        from behavstats.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()

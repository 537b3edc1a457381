"""Where the program starts: little is imported here, so that Ctrl-C is met from the beginning."""

import sys


def main() -> None:
    """Run the command line; exit code 130 if interrupted, be it while its modules are imported."""
    try:
        from behavstats.commands import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()

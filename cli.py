"""A launcher for `python cli.py ...` in a checkout; the commands are in the package."""

from behavstats.__main__ import main

if __name__ == "__main__":
    main()

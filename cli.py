"""Launcher, so that `python cli.py ...` works in a checkout; the commands live in the package."""

from behavstats.__main__ import main

if __name__ == "__main__":
    main()

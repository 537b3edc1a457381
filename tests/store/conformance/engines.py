"""The engines that the conformance tests run on."""

import sqlite3
from contextlib import closing
from itertools import count


class Sqlite:
    """One SQLite file for each store."""

    name = "sqlite"

    def __init__(self, folder):
        """Keep the stores in a folder."""
        self._folder = folder
        self._numbers = count(1)

    def new_address(self):
        """Return an address at which there is no store yet."""
        return f"sqlite:///{self._folder}/{next(self._numbers)}.db"

    def page_names(self, store):
        """Return all page names that a store holds, including pages without a viewer."""
        with closing(sqlite3.connect(store.address)) as connection:
            names = connection.execute("SELECT name FROM page WHERE name IS NOT NULL")
            return sorted(name for (name,) in names)


ENGINES = [Sqlite]

"""Print how many page views a SQLite file has: peer_sqlite.py DATABASE."""

import sqlite3
import sys
from contextlib import closing

with closing(sqlite3.connect(sys.argv[1])) as connection:
    print(connection.execute("SELECT count(*) FROM page_view").fetchone()[0])

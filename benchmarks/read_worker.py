"""Time profiles in the library, and print the median in µs.

read_worker.py DB VIEWS CALLS USER...
"""

import sys
import time
from pathlib import Path
from statistics import median

from datasets import AS_OF

from behavstats.model.profile import profile, window
from behavstats.model.timestamps import parse_instant
from behavstats.store import open_store


def main(db: str, views: str, calls: str, *users: str) -> None:
    """Read the users by turns: first to warm up and to see that they are right, then timed."""
    as_of = parse_instant(AS_OF)
    with open_store(Path(db), lock_timeout=5) as store:
        for user in users * 2:
            found = store.summary(user, window(as_of, 7)).views
            if found != int(views):
                sys.exit(f"{user} has {found} page views in the window instead of {views}")
        taken = []
        for number in range(int(calls)):
            user = users[number % len(users)]
            begin = time.perf_counter_ns()
            profile(user, store.summary(user, window(as_of, 7)))
            taken.append(time.perf_counter_ns() - begin)
    print(median(taken) / 1_000)


if __name__ == "__main__":
    main(*sys.argv[1:])

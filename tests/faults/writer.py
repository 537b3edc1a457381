"""A program that writes a log: a line at a time, reopened on SIGUSR1, ended by SIGTERM.

`python -m tests.faults.writer LOG LOCK MODE`: each write is made under a lock of the file LOCK, so
that who holds that has it pause. MODE is that of `open`: `ab` appends; `wb` writes at the offset
that it has reached, also where the file was truncated meanwhile. The number of lines stands on
standard output, now and then and at the end.
"""

import fcntl
import signal
import sys
import time

from behavstats.model.page_view import PageView
from tests.support.histories import AS_OF, line

REPORTED_EACH = 50  # lines
BAD = 20  # one line in so many is not a page view


def view(number):
    return PageView(f"user{number % 17}", AS_OF - number, f"/{number % 7}")


def line_of(number):
    """Return a unique line: a page view or, now and then, an invalid line."""
    return b'{"junk": %d}\n' % number if number % BAD == 0 else line(view(number))


def main(log, lock, mode):
    received = set()
    for number in (signal.SIGUSR1, signal.SIGTERM):
        signal.signal(number, lambda number, _: received.add(number))
    out, count = open(log, mode, buffering=0), 0  # noqa: SIM115
    with open(lock, "ab") as lock_file:
        while signal.SIGTERM not in received:
            fcntl.flock(lock_file, fcntl.LOCK_EX)
            if signal.SIGUSR1 in received:
                received.discard(signal.SIGUSR1)
                out.close()
                out = open(log, mode, buffering=0)  # noqa: SIM115
            count += 1
            out.write(line_of(count))
            fcntl.flock(lock_file, fcntl.LOCK_UN)
            if count % REPORTED_EACH == 0:
                print(count, flush=True)
            time.sleep(0.001)
    print(count, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""`behavstats serve` as processes that can be killed one by one, and started again."""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.conftest import BEHAVSTATS, ServerProcess
from tests.faults.waiting import wait_until


def processes_of(session):
    """Return the processes of a session (by its leader's id) that run, the leader first."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        state, its_session = fields[0], int(fields[3])
        if its_session == session and state not in "ZX":
            found.append(int(stat.parent.name))
    return sorted(found, key=lambda process: (process != session, process))


def _kill(processes):
    for process in processes:
        with suppress(ProcessLookupError):  # it ended by itself meanwhile
            os.kill(process, signal.SIGKILL)


class Server(ServerProcess):
    """A server in a session of its own: a process that supervises, and one that does the work.

    Its output goes to a file: a pipe that is not emptied would block it.
    """

    def __init__(self, db, port, *options, is_ready=True, command=None, **more):
        """`command` starts another program that serves on this port."""
        self.port = port
        serve = [BEHAVSTATS, "serve", "--db", str(db), "--port", str(port), *options]
        self.log = db.with_name("server-log")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                serve if command is None else command,
                stdin=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
                **more,
            )
        if is_ready:
            self.wait_until_ready()

    def wait_until_ready(self):
        """Wait until it answers; fail if it ends."""

        def is_ready():
            assert self.process.poll() is None, self.said()
            return self._health() == 200

        wait_until(is_ready, "the server is ready")

    def processes(self):
        """Return its processes that run: the one that supervises first."""
        return processes_of(self.process.pid)

    def kill(self, which):
        """Kill `all` processes, or `supervisor` or `worker`; the other one has to end, too."""
        processes = self.processes()
        killed = {"all": processes, "supervisor": processes[:1], "worker": processes[1:]}[which]
        _kill(killed)
        self.wait_until_gone()
        return killed

    def wait_until_gone(self):
        """Wait until no process of it runs."""
        code = self.process.wait(timeout=120)
        wait_until(lambda: not self.processes(), "all processes of the server have ended")
        return code

    def kill_all(self):
        """Leave no process behind, whatever happened."""
        _kill(self.processes())
        self.process.wait(timeout=120)

    def stop(self, signal_number=signal.SIGTERM):
        """Stop it with a signal; return its exit code."""
        self.process.send_signal(signal_number)
        return self.wait_until_gone()

    def said(self):
        """Return the standard error of this server and of earlier ones on the same store."""
        return self.log.read_text()

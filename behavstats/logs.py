"""Logs: one JSON object a line or, at a terminal, readable text.

No line holds a page view, a user's id or a key: of a request, its route; of an unexpected error,
its kind and where it was raised, but not its text, in which there may be anything.
"""

import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.util import Finalize
from pathlib import Path
from traceback import extract_tb
from typing import IO

import msgspec

from behavstats.instants import format_instant

_MOST_WAITING = 10_000  # lines
_ROUND = 0.05  # seconds between two writes


class Log(logging.Handler):
    """Writes lines to a stream, in a thread of its own: nobody waits for whoever reads them.

    Where more than 10,000 lines wait, new ones are dropped, and counted.
    """

    def __init__(self, stream: IO[str] | None = None) -> None:
        """Write to a stream, by default to standard error."""
        super().__init__()
        self._stream = stream or sys.stderr
        self._line = _as_text if self._stream.isatty() else _as_json
        self._waiting: deque[Mapping[str, object]] = deque()
        self._dropped = 0
        self._writing = threading.Lock()
        threading.Thread(target=self._keep_writing, name="log", daemon=True).start()
        Finalize(None, self._finish, exitpriority=0)

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record of the standard library's logging."""
        fields: dict[str, object] = {"message": record.getMessage()}
        if record.exc_info and record.exc_info[0]:
            kind, _, traceback = record.exc_info
            where = [
                f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
                for frame in extract_tb(traceback)
            ]
            fields |= {"error": kind.__name__, "at": where}
        self.write(record.levelname.lower(), **fields)

    def write(self, level: str, **fields: object) -> None:
        """Take a line: its level, and whatever there is to say."""
        if len(self._waiting) >= _MOST_WAITING:
            self._dropped += 1
            return
        self._waiting.append({"time": time.time_ns() // 1_000_000, "level": level, **fields})

    def flush(self) -> None:
        """Write all lines that wait."""
        with self._writing:
            lines = [self._line(self._waiting.popleft()) for _ in range(len(self._waiting))]
            if self._dropped:
                dropped, self._dropped = self._dropped, 0
                message = f"{dropped:,} log lines were dropped: nobody reads them"
                now = time.time_ns() // 1_000_000
                lines.append(self._line({"time": now, "level": "warning", "message": message}))
            if lines:
                self._stream.write("".join(lines))
                self._stream.flush()

    def _finish(self) -> None:
        with suppress(OSError, ValueError):
            self.flush()

    def _keep_writing(self) -> None:
        while True:
            time.sleep(_ROUND)
            try:
                self.flush()
            except (OSError, ValueError):  # nobody can be told
                return


def _as_json(line: Mapping[str, object]) -> str:
    shown = {**line, "time": format_instant(int(str(line["time"])))}
    return msgspec.json.encode(shown).decode() + "\n"


def _as_text(line: Mapping[str, object]) -> str:
    shown = dict(line)
    instant, level = format_instant(int(str(shown.pop("time")))), str(shown.pop("level"))
    message = str(shown.pop("message", ""))
    rest = " ".join(f"{name}={value}" for name, value in shown.items())
    return " ".join(filter(None, (instant, level.upper(), message, rest))) + "\n"

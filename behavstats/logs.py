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
_LAST_ROUND = 1.0  # seconds for the last one


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
        self._is_ending = threading.Event()
        self._thread = threading.Thread(target=self._keep_writing, name="log", daemon=True)
        self._thread.start()
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
        self._waiting.append(_stamped(level, **fields))

    def _keep_writing(self) -> None:
        with suppress(OSError, ValueError):  # nobody can be told
            while not self._is_ending.wait(_ROUND):
                self._write_waiting()
            self._write_waiting()

    def _write_waiting(self) -> None:
        lines = [self._line(self._waiting.popleft()) for _ in range(len(self._waiting))]
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            message = f"{dropped:,} log lines were dropped: nobody read them"
            lines.append(self._line(_stamped("warning", message=message)))
        if lines:
            self._stream.write("".join(lines))
            self._stream.flush()

    def _finish(self) -> None:
        """Write what waits as the process ends, unless nobody reads it."""
        self._is_ending.set()
        self._thread.join(_LAST_ROUND)


def _stamped(level: str, **fields: object) -> Mapping[str, object]:
    return {"time": time.time_ns() // 1_000_000, "level": level, **fields}


def _as_json(line: Mapping[str, object]) -> str:
    shown = {**line, "time": format_instant(int(str(line["time"])))}
    return msgspec.json.encode(shown).decode() + "\n"


def _as_text(line: Mapping[str, object]) -> str:
    shown = dict(line)
    instant, level = format_instant(int(str(shown.pop("time")))), str(shown.pop("level"))
    message = str(shown.pop("message", ""))
    rest = " ".join(f"{name}={value}" for name, value in shown.items())
    return " ".join(filter(None, (instant, level.upper(), message, rest))) + "\n"

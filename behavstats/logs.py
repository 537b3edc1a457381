"""Logs: one JSON object per line or, at a terminal, readable text.

No line contains a page view, a user's id or a key. A request is logged with its route instead of
its path. An unexpected error is logged with its type and the place where it was raised, but without
its text, which may contain anything.
"""

import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from multiprocessing.util import Finalize
from pathlib import Path
from traceback import extract_tb
from typing import IO, NamedTuple

import msgspec

from behavstats.model.timestamps import SECOND, format_instant
from behavstats.text import counted

_MOST_WAITING = 10_000  # lines
_INTERVAL = 0.05  # seconds between two writes
_LAST_WRITE = 1.0  # seconds for the last write, when the process ends


class Answered(NamedTuple):
    """A request that was answered; `route` has names in place of values: `/v1/user/{user_id}`."""

    request_id: str
    method: str
    route: str
    status: int
    seconds: float


_Content = Mapping[str, object] | Answered


class Log(logging.Handler):
    """Writes lines to a stream from a thread of its own, so that a slow reader blocks no caller.

    While 10,000 lines are waiting, further lines are dropped and counted. A deque and a thread are
    used because the standard QueueHandler and QueueListener cost a request several percent.
    """

    def __init__(self, stream: IO[str] | None = None) -> None:
        """Write to `stream`, which is standard error by default."""
        super().__init__()
        self._stream = stream or sys.stderr
        self._line = _as_text if self._stream.isatty() else _as_json
        self._waiting: deque[tuple[int, str, _Content]] = deque()
        self._dropped = 0
        self._is_ending = threading.Event()
        self._thread = threading.Thread(target=self._keep_writing, name="log", daemon=True)
        self._thread.start()
        Finalize(None, self._finish, exitpriority=0)

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a record of the standard library's logging."""
        fields: dict[str, object] = {"message": record.getMessage()}
        if record.exc_info and record.exc_info[0]:
            kind, _, traceback = record.exc_info
            where = [
                f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
                for frame in extract_tb(traceback)
            ]
            fields |= {"error": kind.__name__, "at": where}
        if request_id := getattr(record, "request_id", None):
            fields["request_id"] = request_id
        self.write(record.levelname.lower(), **fields)

    def write(self, level: str, **fields: object) -> None:
        """Queue a line with a level and some fields."""
        self._enqueue(level, fields)

    def answered(self, answered: Answered) -> None:
        """Queue a line for a request that was answered."""
        self._enqueue("info", answered)

    def _enqueue(self, level: str, content: _Content) -> None:
        if len(self._waiting) < _MOST_WAITING:
            self._waiting.append((time.time_ns() // 1_000_000, level, content))
        else:
            self._dropped += 1

    def _keep_writing(self) -> None:
        with suppress(OSError, ValueError):  # there is no other place to report a failure
            while not self._is_ending.wait(_INTERVAL):
                self._write_waiting()
            self._write_waiting()

    def _write_waiting(self) -> None:
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            what = counted(dropped, "log line")
            message = f"{what} dropped, because the log was not read fast enough"
            self._waiting.append((time.time_ns() // 1_000_000, "warning", {"message": message}))
        lines = [self._line(*self._waiting.popleft()) for _ in range(len(self._waiting))]
        if lines:
            self._stream.write("".join(lines))
            self._stream.flush()

    def _finish(self) -> None:
        """Write the waiting lines when the process ends, unless the reader stalls."""
        self._is_ending.set()
        self._thread.join(_LAST_WRITE)


def _as_json(instant: int, level: str, content: _Content) -> str:
    time = _time(instant)
    if isinstance(content, Answered):  # nearly all lines, in which nothing has to be escaped
        return (
            f'{{"time":"{time}","level":"{level}","request_id":"{content.request_id}",'
            f'"method":"{content.method}","route":"{content.route}","status":{content.status},'
            f'"seconds":{content.seconds:.6f}}}\n'
        )
    return msgspec.json.encode({"time": time, "level": level, **content}).decode() + "\n"


def _as_text(instant: int, level: str, content: _Content) -> str:
    if isinstance(content, Answered):
        milliseconds = content.seconds * SECOND
        request = f"{content.method} {content.route} {content.status}"
        what = f"{request} {milliseconds:.1f} ms {content.request_id}"
    else:
        what = " ".join(str(value) for value in content.values())
    return f"{_time(instant)} {level.upper()} {what}\n"


def _time(instant: int) -> str:
    return f"{_second(instant // SECOND)}.{instant % SECOND:03}Z"


@lru_cache(maxsize=2)
def _second(second: int) -> str:
    return format_instant(second * SECOND).removesuffix(".000Z")


def printable(text: str) -> str:
    """Return text with unprintable characters escaped, so that data cannot control the terminal."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def log_to_standard_error() -> None:
    """Send all logging to standard error, as JSON lines or, at a terminal, as text."""

    def escape(record: logging.LogRecord) -> bool:
        record.msg, record.args = printable(record.getMessage()), None
        return True

    handler = Log()
    handler.addFilter(escape)  # a file's name must not control the terminal
    logging.basicConfig(handlers=[handler], level=logging.INFO)

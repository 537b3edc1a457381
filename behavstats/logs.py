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
from functools import lru_cache
from multiprocessing.util import Finalize
from pathlib import Path
from traceback import extract_tb
from typing import IO, NamedTuple

import msgspec

from behavstats.model.timestamps import SECOND, format_instant

_MOST_WAITING = 10_000  # lines
_ROUND = 0.05  # seconds between two writes
_LAST_ROUND = 1.0  # seconds for the last one


class Answered(NamedTuple):
    """A request that was answered: by which route (names stand for values), and how fast."""

    request_id: str
    method: str
    route: str
    status: int
    seconds: float


_Said = Mapping[str, object] | Answered


class Log(logging.Handler):
    """Writes lines to a stream, in a thread of its own: nobody waits for whoever reads them.

    Where more than 10,000 lines wait, new ones are dropped, and counted.
    """

    def __init__(self, stream: IO[str] | None = None) -> None:
        """Write to a stream, by default to standard error."""
        super().__init__()
        self._stream = stream or sys.stderr
        self._line = _as_text if self._stream.isatty() else _as_json
        self._waiting: deque[tuple[int, str, _Said]] = deque()
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
        if request_id := getattr(record, "request_id", None):
            fields["request_id"] = request_id
        self.write(record.levelname.lower(), **fields)

    def write(self, level: str, **fields: object) -> None:
        """Take a line: its level, and whatever there is to say."""
        self._take(level, fields)

    def answered(self, answered: Answered) -> None:
        """Take note of a request that was answered."""
        self._take("info", answered)

    def _take(self, level: str, said: _Said) -> None:
        if len(self._waiting) < _MOST_WAITING:
            self._waiting.append((time.time_ns() // 1_000_000, level, said))
        else:
            self._dropped += 1

    def _keep_writing(self) -> None:
        with suppress(OSError, ValueError):  # nobody can be told
            while not self._is_ending.wait(_ROUND):
                self._write_waiting()
            self._write_waiting()

    def _write_waiting(self) -> None:
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            message = f"{dropped:,} log lines were dropped: nobody read them"
            self._waiting.append((time.time_ns() // 1_000_000, "warning", {"message": message}))
        lines = [self._line(*self._waiting.popleft()) for _ in range(len(self._waiting))]
        if lines:
            self._stream.write("".join(lines))
            self._stream.flush()

    def _finish(self) -> None:
        """Write what waits as the process ends, unless nobody reads it."""
        self._is_ending.set()
        self._thread.join(_LAST_ROUND)


def _as_json(instant: int, level: str, said: _Said) -> str:
    time = _time(instant)
    if isinstance(said, Answered):  # by far the most; and nothing in it has to be escaped
        return (
            f'{{"time":"{time}","level":"{level}","request_id":"{said.request_id}",'
            f'"method":"{said.method}","route":"{said.route}","status":{said.status},'
            f'"seconds":{said.seconds:.6f}}}\n'
        )
    return msgspec.json.encode({"time": time, "level": level, **said}).decode() + "\n"


def _as_text(instant: int, level: str, said: _Said) -> str:
    if isinstance(said, Answered):
        milliseconds = said.seconds * SECOND
        what = f"{said.method} {said.route} {said.status} {milliseconds:.1f} ms {said.request_id}"
    else:
        what = " ".join(str(value) for value in said.values())
    return f"{_time(instant)} {level.upper()} {what}\n"


def _time(instant: int) -> str:
    return f"{_second(instant // SECOND)}.{instant % SECOND:03}Z"


@lru_cache(maxsize=2)
def _second(second: int) -> str:
    return format_instant(second * SECOND).removesuffix(".000Z")


def printable(text: str) -> str:
    """Return text with what is not printable escaped, so that no data steers the terminal."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def log_to_standard_error() -> None:
    """Have what happens written there: a JSON object a line or, at a terminal, text."""

    def escape(record: logging.LogRecord) -> bool:
        record.msg, record.args = printable(record.getMessage()), None
        return True

    handler = Log()
    handler.addFilter(escape)  # no file's name steers the terminal
    logging.basicConfig(handlers=[handler], level=logging.INFO)

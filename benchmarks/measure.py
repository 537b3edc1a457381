"""Measuring: whole processes by wall time and peak memory, and pairs of them by their ratios."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import IO, NamedTuple

HERE = Path(__file__).resolve().parent
PYTHON = sys.executable
_SAMPLE_SECONDS = 0.01


class MeasureError(Exception):
    """A process failed, or did not do what it was measured for."""


class Pairs(NamedTuple):
    """What two sides came to in each pair, and the ratios of the first to the second."""

    first: list[float]
    second: list[float]

    @property
    def ratios(self) -> list[float]:
        """One ratio for each pair: what disturbs the machine mostly disturbs both sides."""
        return [first / second for first, second in zip(self.first, self.second, strict=True)]

    @property
    def ratio(self) -> float:
        """The median of the ratios."""
        return median(self.ratios)


def in_pairs(
    first: Callable[[], float],
    second: Callable[[], float],
    count: int,
) -> Pairs:
    """Call both sides once for each pair, in turns first: A B, B A, A B..."""
    pairs = Pairs([], [])
    for number in range(count):
        sides = [(first, pairs.first), (second, pairs.second)]
        for side, figures in sides if number % 2 == 0 else reversed(sides):
            figures.append(side())
    return pairs


def command(name: str) -> str:
    """Return the path of a command that is installed beside this Python."""
    return str(Path(PYTHON).with_name(name))


def start(
    arguments: Sequence[str | Path],
    stdin: IO[bytes] | None = None,
    stderr: IO[bytes] | int = subprocess.DEVNULL,
    env: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process whose standard output can be read."""
    return subprocess.Popen(  # noqa: S603
        list(map(str, arguments)),
        stdin=stdin if stdin is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env=None if env is None else {**os.environ, **env},
    )


def output(arguments: Sequence[str | Path]) -> str:
    """Run a process and return what it prints; MeasureError unless its exit code is 0."""
    result = subprocess.run(list(map(str, arguments)), capture_output=True, check=False)  # noqa: S603
    if result.returncode:
        said = result.stderr.decode(errors="replace")[-2_000:]
        raise MeasureError(f"{shown(arguments)} ended with {result.returncode}: {said}")
    return result.stdout.decode()


def seconds(arguments: Sequence[str | Path]) -> float:
    """Return the wall time of a whole process, from a disk at rest."""
    os.sync()
    begin = time.perf_counter()
    output(arguments)
    return time.perf_counter() - begin


def peak_memory(arguments: Sequence[str | Path], stdin: Path | None = None) -> tuple[float, int]:
    """Return wall time and peak memory, in bytes, of a process and all that it starts.

    The sum of every process's own peak: more than they ever took at once, never less (pages that
    two share count twice).
    """
    os.sync()
    begin = time.perf_counter()
    with open(stdin or os.devnull, "rb") as source, open(os.devnull, "wb") as sink:
        process = subprocess.Popen(  # noqa: S603
            list(map(str, arguments)), stdin=source, stdout=sink, stderr=subprocess.DEVNULL
        )
        peaks: dict[int, int] = {}
        while process.poll() is None:
            for pid in _family(process.pid):
                peaks[pid] = max(peaks.get(pid, 0), _peak(pid))
            time.sleep(_SAMPLE_SECONDS)
    if process.returncode:
        raise MeasureError(f"{shown(arguments)} ended with {process.returncode}")
    return time.perf_counter() - begin, sum(peaks.values())


def peak_of_family(pid: int) -> int:
    """Return the peak memory, in bytes, of a process that runs and all that it started."""
    return sum(map(_peak, _family(pid)))


def _family(pid: int) -> Iterator[int]:
    """Yield a process and all its descendants."""
    yield pid
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            children = Path(f"/proc/{pid}/task/{thread}/children").read_text().split()
            for child in children:
                yield from _family(int(child))


def _peak(pid: int) -> int:
    """Return the peak of a process's resident memory in bytes; 0 if it is gone."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def size(folder: Path) -> int:
    """Return the bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def shown(arguments: Sequence[str | Path]) -> str:
    """Return a command as a person would type it, without folders."""
    return " ".join(Path(str(argument)).name or str(argument) for argument in arguments)

"""The files that are measured with: generated once, from seeds, and kept in build/bench."""

import gzip
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import msgspec
from generate import page_names
from heavy import PAGES, Weight, lines
from measure import HERE, PYTHON, output

from behavstats.model.timestamps import DAY, parse_instant

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

AS_OF = "2026-11-14T15:37:12.345Z"
"""The end of the windows that are read: in the last day of the million, aligned to nothing."""

_MILLION_ENDS, _MILLION_BEGINS = "2026-11-15T00:00:00Z", "2026-11-01T00:00:00Z"
_BUILD = HERE.parent / "build" / "bench"
_SEED = 7
_WEIGHTS, _HEAVIEST = (Weight(10, 20), Weight(100, 20), Weight(10_000, 3)), Weight(1_000_000, 1)


class _View(msgspec.Struct):
    user_id: str
    timestamp: str


@dataclass(frozen=True)
class Scale:
    """How much is measured with; the names of the data sets are those of the full scale."""

    folder: Path
    views: int = 1_000_000
    users: int = 50_000
    middle: int = 5_000_000
    large: int = 20_000_000
    small: int = 100_000
    weights: tuple[Weight, ...] = _WEIGHTS
    heaviest: Weight = _HEAVIEST
    seconds: int = 4  # of each run of a load generator


FULL = Scale(_BUILD)
QUICK = Scale(
    _BUILD / "quick",
    views=20_000,
    users=1_000,
    middle=50_000,
    large=200_000,
    small=5_000,
    weights=(Weight(10, 5), Weight(100, 5), Weight(1_000, 1)),
    heaviest=Weight(20_000, 1),
    seconds=1,
)


class Data:
    """The files of one scale; each is made when it is first asked for."""

    def __init__(self, scale: Scale) -> None:
        self.scale = scale
        self.folder = scale.folder / "data"
        self.folder.mkdir(parents=True, exist_ok=True)

    @property
    def million(self) -> Path:
        """1,000,000 page views of 50,000 users in two weeks."""
        return self._generated("million", self.scale.views, 14, _MILLION_ENDS)

    @property
    def live(self) -> Path:
        """As many of the same users in the two weeks before today."""
        today = datetime.now(UTC).date().isoformat()
        return self._generated(f"live-{today}", self.scale.views, 14, f"{today}T00:00:00Z")

    @property
    def before(self) -> Path:
        """As many of the same users in the two weeks before."""
        return self._generated("before", self.scale.views, 14, _MILLION_BEGINS)

    @property
    def large(self) -> Path:
        """20,000,000 of the same users in the 280 days before the million."""
        return self._generated("large", self.scale.large, 280, _MILLION_BEGINS)

    @property
    def middle(self) -> Path:
        """The first 5,000,000 of those."""
        return self._head("middle", lambda: self.large, self.scale.middle)

    @property
    def tenth(self) -> Path:
        """The first 100,000 of the million."""
        return self._head("tenth", lambda: self.million, self.scale.views // 10)

    @property
    def hundred_kilobytes(self) -> Path:
        """The first 1,000 of the million."""
        return self._head("hundred-kilobytes", lambda: self.million, 1_000)

    @property
    def small(self) -> Path:
        """100,000 page views, those of the weights included, for the smallest store."""
        weighed = sum(
            (weight.views + 2 * weight.outside) * weight.users for weight in self.scale.weights
        )
        rest = max(self.scale.small - weighed, 100)
        others = self._generated("others", rest, 14, _MILLION_ENDS, users=rest // 20)
        return self._made("small", lambda target: _join(target, [others, self.weights]))

    @property
    def weights(self) -> Path:
        """Users of 10, 100 and 10,000 page views in the window."""
        as_of = parse_instant(AS_OF)
        return self._made(
            "weights", lambda target: _write(target, lines(self.scale.weights, as_of, _SEED))
        )

    @property
    def heaviest(self) -> Path:
        """The user of 1,000,000 page views in the window."""
        as_of = parse_instant(AS_OF)
        heaviest = [self.scale.heaviest]
        return self._made("heaviest", lambda target: _write(target, lines(heaviest, as_of, _SEED)))

    def heaviest_until(self, until: int) -> Path:
        """Return the same user up to an instant near the present; made anew each time."""
        target = self.folder / "heaviest-now.jsonl"
        half_a_day = DAY // 2  # which the generator adds behind the window
        _write(target, lines([self.scale.heaviest], until - half_a_day, _SEED))
        return target

    @property
    def long_texts(self) -> Path:
        """Lines of distinct names of 2 KB, and ids of 500 bytes."""
        count = min(60_000, self.scale.views)
        line = (
            '{{"user_id": "{:0500}", "name": "/{:02047}", "timestamp": "2026-11-01T00:00:00Z"}}\n'
        )
        texts = (line.format(number % (count // 6), number) for number in range(count))
        return self._made("long-texts", lambda target: _write(target, texts))

    @property
    def many(self) -> list[Path]:
        """The million in 200 files."""
        folder = self.folder / "many"
        if not folder.exists():
            with _to_be_renamed(folder) as partial, open(self.million, "rb") as source:
                partial.mkdir()
                for number in range(200):
                    with open(partial / f"{number:03}.jsonl", "wb") as target:
                        target.writelines(islice(source, self.scale.views // 200))
        return sorted(folder.iterdir())

    def gzipped(self, source: Path) -> Path:
        """Return a file, compressed by gzip."""
        return self._compressed(source, ".gz", lambda target: gzip.open(target, "wb", 1))

    def zstandard(self, source: Path) -> Path:
        """Return a file, compressed by zstandard."""
        return self._compressed(source, ".zst", lambda target: zstd.open(target, "wb"))

    @property
    def page_names(self) -> Path:
        """The names of pages, one a line."""
        texts = (f"{name}\n" for name in page_names(PAGES))
        return self._made("page-names", lambda target: _write(target, texts), ".txt")

    @property
    def light_users(self) -> Path:
        """The ids of users with 10 to 20 live page views in the last 7 days, one a line."""
        return self._made(f"light-users-{self.live.stem}", self._write_light_users, ".txt")

    def _write_light_users(self, target: Path) -> None:
        decoder = msgspec.json.Decoder(_View)
        after = time.time_ns() // 1_000_000 - 7 * DAY
        views: Counter[str] = Counter()
        with open(self.live, "rb") as source:
            for view in map(decoder.decode, source):
                views[view.user_id] += parse_instant(view.timestamp) > after
        light = [user for user, count in views.items() if 10 <= count <= 20]
        _write(target, (f"{user}\n" for user in light))

    def _generated(
        self, name: str, views: int, days: int, until: str, users: int | None = None
    ) -> Path:
        users = users or self.scale.users
        options = {"views": views, "users": users, "days": days, "until": until}
        flags = [f"--{option}={value}" for option, value in options.items()]
        return self._made(
            name,
            lambda target: output([PYTHON, HERE / "generate.py", *flags, "--output", target]),
        )

    def _head(self, name: str, whole: Callable[[], Path], count: int) -> Path:
        def write(target: Path) -> None:
            with open(whole(), "rb") as source, open(target, "wb") as file:
                file.writelines(islice(source, count))

        return self._made(name, write)

    def _compressed(self, source: Path, suffix: str, opened: Callable[[Path], object]) -> Path:
        def write(target: Path) -> None:
            with open(source, "rb") as plain, opened(target) as file:  # type: ignore[attr-defined]
                shutil.copyfileobj(plain, file, 1024 * 1024)

        return self._made(source.stem, write, f".jsonl{suffix}")

    def _made(self, name: str, write: Callable[[Path], object], suffix: str = ".jsonl") -> Path:
        path = self.folder / (name + suffix)
        if not path.exists():
            with _to_be_renamed(path) as partial:
                write(partial)
        return path


@contextmanager
def _to_be_renamed(path: Path) -> Iterator[Path]:
    """Lend a path that gets its name only when all is written: what is there is whole."""
    partial = path.with_name(f"{path.name}.partial")
    if partial.is_dir():
        shutil.rmtree(partial)
    print(f"making {path.name}", file=sys.stderr)
    yield partial
    partial.rename(path)


def _write(target: Path, texts: Iterable[str]) -> None:
    with open(target, "w", encoding="utf-8") as file:
        file.writelines(texts)


def _join(target: Path, sources: Iterable[Path]) -> None:
    with open(target, "wb") as file:
        for source in sources:
            with open(source, "rb") as part:
                shutil.copyfileobj(part, file)


def count_lines(path: Path) -> int:
    """Return how many lines a file has."""
    with open(path, "rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))

"""Any sequence of rotations, restarts and kills: each line is ingested exactly once."""

import gzip
import json
import os
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from behavstats.clock import system_clock
from behavstats.ingest import batch
from behavstats.model.page_view import PageView
from behavstats.shutdown import Stop
from behavstats.sources import line_blocks
from behavstats.sources.compression import zstd
from behavstats.store import EVERYTHING, create_store
from behavstats.store.sqlite import store as store_module
from behavstats.store.sqlite.database import Database
from behavstats.watch import file_state, fingerprint
from behavstats.watch.watcher import Watcher
from tests.support.histories import AS_OF, line

NAMES = ("a.jsonl", "b.jsonl", "sub/c")


def a_second_ago():
    """A clock that is behind, so that the coarse times of files count as later."""
    return system_clock() - 1_000


class Killed(BaseException):
    """Raised in place of SIGKILL."""


class Folder:
    """Files that are written, rotated and followed, and the lines that the store should have."""

    def __init__(self, path: Path, *, by_name: bool = False) -> None:
        self.path = path / "in"
        self.watched = [self.path / name for name in NAMES] if by_name else [self.path]
        (self.path / "sub").mkdir(parents=True)
        self.db = path / "store.db"
        self.number = 0
        self.visible: set[bytes] = set()  # at a scan that was completed
        self.glimpsed: set[bytes] = set()  # at any scan, also one that was killed
        self.open()

    def open(self) -> None:
        """Open the store and follow the files, as a new process would."""
        self.store = create_store(self.db, lock_timeout=10)
        paths = [*map(str, self.watched)]
        self.watcher = Watcher(paths, self.store, a_second_ago, Stop())
        self.watcher.begin()

    def restart(self) -> None:
        self.store.close()
        self.open()

    def line(self, *, good: bool) -> bytes:
        """Return a line that was never written before."""
        self.number += 1
        if good:
            return line(PageView(f"user{self.number}", AS_OF + self.number, "/"))
        return b'{"bad": %d, "padding": "%s", "end": %d}\n' % (self.number, b"." * 30, self.number)

    def files(self) -> list[Path]:
        return sorted(path for path in self.path.rglob("*") if path.is_file())

    def seen(self) -> set[bytes]:
        """Return the lines that a scan would find now."""
        return {text for path in self.files() for text in lines_of(path)}

    def scan(self) -> None:
        self.visible |= self.seen()
        self.glimpsed |= self.visible
        self.watcher.drain()

    def scan_and_die(self, transaction: int, *, committed: bool) -> None:
        """Scan, and be killed during or after one of the transactions."""
        self.glimpsed |= self.seen()
        with dying(transaction, committed=committed), suppress(Killed):
            self.watcher.drain()
        self.restart()


@contextmanager
def dying(transaction, *, committed):
    whole = Database.transaction
    left = [transaction]

    @contextmanager
    def part(store, connection):
        left[0] -= 1
        with whole(store, connection):
            yield
            if not left[0] and not committed:
                raise Killed
        if not left[0] and committed:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Database, "transaction", part)
        yield


def content_of(path):
    data = path.read_bytes()
    if data.startswith(b"\x1f\x8b"):
        try:
            return gzip.decompress(data)
        except EOFError:
            return b""
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        try:
            return zstd.decompress(data)
        except zstd.ZstdError:
            return b""
    return data


def lines_of(path):
    """Return the lines of a file that end with a newline."""
    content = content_of(path)
    return content[: content.rfind(b"\n") + 1].splitlines()


def is_plain(path):
    return path.suffix not in {".gz", ".zst"}


def free(path):
    """Return the next free name to which a file can be rotated."""
    number = 1
    while (to := path.with_name(rotated(path, number))).exists():
        number += 1
    return to


def rotated(path, number):
    """Return a rotated name: each file has a style of its own."""
    if path.name.startswith("a"):
        return f"{path.stem}.{number}{path.suffix}"
    if path.name.startswith("b"):
        return f"{path.stem}-2026-11-{number:02}{path.suffix}"
    return f"{path.name}.{number}"


class Ops:
    """The operations on the files; numbers choose the file and how it is changed."""

    @staticmethod
    def append(folder, which, good, bad):
        path = folder.path / NAMES[which % len(NAMES)]
        with path.open("ab") as file:
            for _ in range(good):
                file.write(folder.line(good=True))
            for _ in range(bad):
                file.write(folder.line(good=False))

    @staticmethod
    def begin_a_line(folder, which, good, bad):
        """Append a part of a line; what is appended next completes it or spoils it."""
        path = folder.path / NAMES[which % len(NAMES)]
        whole = folder.line(good=good > bad)
        with path.open("ab") as file:
            file.write(whole[: (good * 17 + bad * 5) % len(whole)])

    @staticmethod
    def append_in_parts(folder, which, good, bad):
        """Append a line in two parts, with a scan in between."""
        path = folder.path / NAMES[which % len(NAMES)]
        whole = folder.line(good=good > bad)
        cut = (good * 17 + bad * 5) % len(whole)
        with path.open("ab", buffering=0) as file:
            file.write(whole[:cut])
            folder.scan()
            file.write(whole[cut:])

    @staticmethod
    def rename(folder, which, good, _bad):
        """Rotate by renaming; maybe append, as a writer does that has the file open."""
        if path := chosen(folder, which):
            to = free(path)
            path.rename(to)
            with to.open("ab") as file:
                file.writelines(folder.line(good=True) for _ in range(good % 2))

    @staticmethod
    def copy_and_truncate(folder, which, good, bad):
        """Rotate by copying and truncating, with or without a scan in between; append at once."""
        folder.scan()
        if path := chosen(folder, which):
            with path.open("ab") as file:
                file.writelines(folder.line(good=False) for _ in range(bad))
            shutil.copy(path, free(path))
            if good % 2:
                folder.scan()
            os.truncate(path, 0)
            with path.open("ab") as file:
                file.writelines(folder.line(good=number % 2 == 0) for number in range(good))

    @staticmethod
    def truncate(folder, which, good, _bad):
        if path := chosen(folder, which):
            os.truncate(path, 0)
            with path.open("ab") as file:
                file.writelines(folder.line(good=True) for _ in range(good))

    @staticmethod
    def delete(folder, which, _good, _bad):
        if path := chosen(folder, which):
            path.unlink()

    @staticmethod
    def replace(folder, which, good, bad):
        """Delete a file and write another one of that name, maybe with the same inode."""
        if path := chosen(folder, which):
            path.unlink()
            Ops.append(folder, which, good, bad)

    @staticmethod
    def compress(folder, which, good, _bad):
        """Rotate and then compress a file; scan while half of it is written."""
        folder.scan()
        path = chosen(folder, which)
        if path and path.stat().st_size and is_ended(path):
            rotated = free(path)
            path.rename(rotated)
            pack, suffix = ((gzip.compress, ".gz"), (zstd.compress, ".zst"))[good % 2]
            packed = pack(rotated.read_bytes())
            to = rotated.with_name(rotated.name + suffix)
            to.write_bytes(packed[: len(packed) // 2])
            folder.scan()
            to.write_bytes(packed)
            rotated.unlink()

    @staticmethod
    def scan(folder, _which, _good, _bad):
        folder.scan()

    @staticmethod
    def restart(folder, _which, _good, _bad):
        folder.restart()

    @staticmethod
    def kill(folder, which, good, bad):
        folder.scan_and_die(which % 3 + good + 1, committed=bad % 2 == 0)


def chosen(folder, which):
    plain = [path for path in folder.files() if is_plain(path)]
    return plain[which % len(plain)] if plain else None


def is_ended(path):
    return path.read_bytes().endswith(b"\n")


OPS = [value for name, value in vars(Ops).items() if not name.startswith("_")]
few = st.integers(0, 3)
steps = st.lists(st.tuples(st.sampled_from(OPS), st.integers(0, 9), few, few), max_size=14)


@settings(max_examples=60)
@given(steps, st.booleans())
def test_each_line_that_a_scan_could_see_is_stored_exactly_once(tmp_path_factory, steps, by_name):
    """Page views, rejected lines and the counts of each source are right; the store is sound.

    The files are followed by their folder or by their names.
    """
    folder = Folder(tmp_path_factory.mktemp("watch"), by_name=by_name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fingerprint, "SAMPLE_BYTES", 64)
        patch.setattr(file_state, "_REST_FACTOR", 0)
        patch.setattr(store_module, "_LOADED_AT_ONCE", 2)
        patch.setattr(batch, "_MOST_VIEWS", 3)
        patch.setattr(line_blocks, "_BLOCK_LINES", 2)
        for op, *how in steps:
            op.__func__(folder, *how)
        folder.scan()
        check(folder)
        folder.restart()
        folder.scan()
        check(folder)
        folder.store.close()


def check(folder):
    store = folder.store
    views = {view for user in users(store) for some in store.page_views(user) for view in some}
    rejected = [
        rejection.text for rejection in (line for _, line in store.rejected.read(EVERYTHING))
    ]
    assert len(rejected) == len(set(rejected))
    stored = {line(view).rstrip(b"\n") for view in views} | set(rejected)
    assert folder.visible <= stored <= folder.glimpsed
    assert list(store.check()) == []
    known = {(source.device, source.inode): source for source in store.offsets.all()}
    for path in folder.files():
        lines = lines_of(path)
        status = path.stat()
        if lines:
            source = known[status.st_dev, status.st_ino]
            assert source.name == str(path)
            counts = (source.checkpoint.lines, source.rejected, source.checkpoint.offset)
            bad = [text for text in lines if not is_good(text)]
            assert counts == (len(lines), len(bad), sum(len(text) + 1 for text in lines))


def is_good(text):
    try:
        return "user_id" in json.loads(text)
    except ValueError:
        return False


def users(store):
    with store.database.reading() as connection:
        return [user for (user,) in connection.execute("SELECT user_id FROM user")]


def test_the_model_writes_valid_page_views():
    """Otherwise, the test above would compare only rejected lines."""
    assert json.loads(Folder.line(type("F", (), {"number": 0})(), good=True))["name"] == "/"


@pytest.mark.parametrize("transaction", range(1, 9))
@pytest.mark.parametrize("committed", [False, True])
def test_a_compressed_file_is_read_completely_after_a_kill(
    tmp_path, monkeypatch, transaction, committed
):
    """Its modification time is stored only with its last line."""
    monkeypatch.setattr(batch, "_MOST_VIEWS", 3)
    monkeypatch.setattr(line_blocks, "_BLOCK_LINES", 2)
    folder = Folder(tmp_path)
    lines = b"".join(folder.line(good=number % 4 > 0) for number in range(20))
    path = folder.path / "a.gz"
    path.write_bytes(gzip.compress(lines))
    os.utime(path, (0, 0))  # long ago, so that a later change would show
    folder.scan_and_die(transaction, committed=committed)
    folder.scan()
    check(folder)
    assert folder.store.offsets.all()[0].modified == 0
    folder.store.close()

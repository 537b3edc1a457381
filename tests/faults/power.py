"""What a disk may hold when the power fails: images made from a record of writes and fsyncs.

A disk may lose what was written since the last fsync of a file has returned. It may hold all of
that, nothing of it, or any of its sectors, a later one without an earlier one, and for each the
version of any of the writes to it. A file may be as long as it was meant to be without having its
bytes (they are zeros then). A file that was made or removed may not have been, until the folder was
synchronised. Only this is taken for granted: sectors of 512 bytes are whole, what happens to names
happens in order, and so do truncations of one file (file systems keep journals of these).

So an image is the record up to some instant: what was synchronised by then, and of the rest, what
chance lets through. The order of everything, acknowledgements included, is that of the record, to
which all processes append (`recorder.c`).
"""

import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SECTOR = 512  # bytes

_HEADER = struct.Struct("=cc2xIqq")
_ACKNOWLEDGED = b"a"
_NAMES = {b"d": "", b"w": "-wal", b"j": "-journal"}
_FOLDER = b"f"


class Operation(NamedTuple):
    """Something that was done to a file (`d`, `w`, `j`; `f`: the folder), or acknowledged."""

    kind: bytes
    file: bytes
    process: int
    offset: int
    data: bytes


def recorder(folder: Path) -> Path | None:
    """Return the library that records, compiled into a folder; None where there is no compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    library = folder / "recorder.so"
    source = Path(__file__).with_name("recorder.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


def recording(library: Path, db: Path, record: Path) -> dict[str, str]:
    """Return the environment in which processes record what they do to a store."""
    return {"LD_PRELOAD": str(library), "RECORDED": str(db.resolve()), "RECORD": str(record)}


class Acknowledgements:
    """Notes each acknowledgement that a client received in a record."""

    def __init__(self, record: Path) -> None:
        self._file = os.open(record, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def note(self, number: int) -> None:
        """Note that what has this number was acknowledged."""
        os.write(self._file, _HEADER.pack(_ACKNOWLEDGED, b"-", 0, number, 0))

    def close(self) -> None:
        """Let go of the record."""
        os.close(self._file)


def operations(record: Path) -> Iterator[Operation]:
    """Yield what was recorded, in order; the last of it may have been cut off by a kill."""
    content = memoryview(record.read_bytes())
    at = 0
    while at + _HEADER.size <= len(content):
        kind, file, process, offset, length = _HEADER.unpack_from(content, at)
        at += _HEADER.size
        yield Operation(kind, file, process, offset, bytes(content[at : at + length]))
        at += length


class _File:
    """A file: what is on the disk for certain, and what was done to it since."""

    def __init__(self, content: bytes = b"") -> None:
        self.durable = bytearray(content)
        self.pending: list[Operation] = []
        self.syncing: dict[int, int] = {}

    def do(self, operation: Operation) -> None:
        if operation.kind in {b"w", b"t"}:
            self.pending.append(operation)
        elif operation.kind == b"b":
            self.syncing[operation.process] = len(self.pending)
        elif operation.kind == b"s":
            # What was written while it was being synchronised is not promised.
            count = self.syncing.pop(operation.process)
            for done in self.pending[:count]:
                _apply(self.durable, done)
            del self.pending[:count]
            self.syncing = {who: max(0, n - count) for who, n in self.syncing.items()}

    def image(self, chance) -> bytes:
        """Return a possible content: with none, all or some of the pending operations."""
        content = bytearray(self.durable)
        share = chance.choice([0, 1, chance.random()])
        known = len(self.pending) if share == 1 else chance.randrange(len(self.pending) + 1)
        for number, operation in enumerate(self.pending):
            if operation.kind == b"t":
                if share and number < known:
                    _apply(content, operation)
                elif operation.offset < len(content):
                    break  # what follows went to places that this file does not have
                continue
            end = operation.offset + len(operation.data)
            if share and number < known and end > len(content):
                content.extend(bytes(end - len(content)))
            for part in _sectors(operation):
                if chance.random() < share:
                    _apply(content, part)
        return bytes(content)


def _apply(content: bytearray, operation: Operation) -> None:
    end = operation.offset + len(operation.data)
    if operation.kind == b"t":
        del content[operation.offset :]
    if end > len(content):
        content.extend(bytes(end - len(content)))
    content[operation.offset : end] = operation.data


def _sectors(operation: Operation) -> Iterator[Operation]:
    start, end = operation.offset, operation.offset + len(operation.data)
    while start < end:
        stop = min(end, start - start % SECTOR + SECTOR)
        part = operation.data[start - operation.offset : stop - operation.offset]
        yield operation._replace(offset=start, data=part)
        start = stop


class Disk:
    """The disk under a store, replayed from a record; `acknowledged` holds the noted numbers."""

    def __init__(self, db: Path, content: bytes | None = None) -> None:
        """Begin with an empty folder, or with a store of some content."""
        self._db = db
        self._durable = {} if content is None else {b"d": _File(content)}
        self._names = dict(self._durable)
        self._pending: list[dict[bytes, _File]] = []
        self._syncing: dict[int, int] = {}
        self.acknowledged: list[int] = []

    def do(self, operation: Operation) -> None:
        """Replay one operation."""
        if operation.kind == _ACKNOWLEDGED:
            self.acknowledged.append(operation.offset)
        elif operation.file == _FOLDER:
            self._do_to_folder(operation)
        elif operation.kind == b"c":
            self._names = self._names | {operation.file: _File()}
            self._pending.append(self._names)
        elif operation.kind == b"r":
            self._names = {kind: at for kind, at in self._names.items() if kind != operation.file}
            self._pending.append(self._names)
        elif operation.file in self._names:
            self._names[operation.file].do(operation)

    def _do_to_folder(self, operation: Operation) -> None:
        if operation.kind == b"b":
            self._syncing[operation.process] = len(self._pending)
        elif operation.kind == b"s":
            count = self._syncing.pop(operation.process)
            if count:
                self._durable = self._pending[count - 1]
                del self._pending[:count]
                self._syncing = {who: max(0, n - count) for who, n in self._syncing.items()}

    def contents(self) -> dict[str, bytes]:
        """Return the contents of the files as a reader sees them now, by the suffix of the name."""
        whole = {}
        for kind, file in self._names.items():
            content = bytearray(file.durable)
            for operation in file.pending:
                _apply(content, operation)
            whole[_NAMES[kind]] = bytes(content)
        return whole

    def fail(self, chance, folder: Path) -> Path:
        """Put an image of what the disk may hold now into a new folder; return the store's path."""
        folder.mkdir()
        names = chance.choice([self._durable, *self._pending])
        db = folder / self._db.name
        for kind, file in names.items():
            Path(f"{db}{_NAMES[kind]}").write_bytes(file.image(chance))
        if chance.random() < 0.5:  # what was mapped into memory is never synchronised
            Path(f"{db}-shm").write_bytes(chance.randbytes(32_768))
        return db


def some_of(record: Path, chance, many: int) -> list[int]:
    """Choose instants of a record."""
    count = sum(1 for _ in operations(record))
    return [chance.randrange(count) for _ in range(many)]


def images(disk: Disk, record: Path, instants, chance, folder: Path) -> Iterator[tuple[Disk, Path]]:
    """Yield the disk at instants of a record, with a path to an image of a store at each."""
    wanted = sorted(instants)
    for number, operation in enumerate(operations(record)):
        disk.do(operation)
        while wanted and wanted[0] <= number:
            wanted.pop(0)
            yield disk, disk.fail(chance, folder / f"image{len(wanted)}")

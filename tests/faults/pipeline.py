"""A pipeline that writes page views to files in a folder: it appends and rotates."""

import gzip
import random
import threading
import time

from behavstats.model.page_view import PageView
from tests.faults.waiting import wait_until
from tests.support.histories import AS_OF, line


class Pipeline(threading.Thread):
    """Writes lines to some files until `with` ends.

    Page views and, now and then, a line that is none; in pieces that end anywhere. A file that is
    long enough gets another name, and a new one takes its place; later, it may be compressed.
    `views` and `junk` count what stands in whole lines.
    """

    def __init__(self, folder, chance, files=3):
        super().__init__()
        self.views, self.junk = set(), 0
        self._folder = folder
        self._chance = random.Random(chance.random())
        self._names = [f"{number}.jsonl" for number in range(files)]
        self._ends = threading.Event()
        self._rotated = []
        self._count = 0

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._ends.set()
        self.join(timeout=120)
        assert not self.is_alive()

    def wait_for(self, count):
        """Wait until so many lines more were written."""
        enough = self._count + count
        wait_until(lambda: self._count >= enough, "the pipeline goes on")

    def run(self):
        while not self._ends.is_set():
            name = self._chance.choice(self._names)
            self._append(name, [self._line() for _ in range(self._chance.randrange(1, 60))])
            if self._chance.random() < 0.05:
                self._rotate(name)
            if self._rotated and self._chance.random() < 0.03:
                self._compress(self._rotated.pop(0))
            time.sleep(self._chance.uniform(0, 0.004))

    def _append(self, name, lines):
        """Write lines in two pieces, the first of which may end in the middle of a line."""
        text = b"".join(lines)
        cut = self._chance.randrange(len(text))
        for piece in (text[:cut], text[cut:]):
            with (self._folder / name).open("ab", buffering=0) as file:
                file.write(piece)

    def _line(self):
        self._count += 1
        if self._chance.random() < 0.01:
            self.junk += 1
            return b'{"junk": %d}\n' % self._count
        view = PageView(f"user{self._count % 17}", AS_OF - self._count, f"/{self._count % 7}")
        self.views.add(view)
        return line(view)

    def _rotate(self, name):
        file = self._folder / name
        rotated = file.with_name(f"{name}.{self._count}")
        file.rename(rotated)
        self._rotated.append(rotated)

    def _compress(self, file):
        compressed = file.with_name(f"{file.name}.gz.part")
        compressed.write_bytes(gzip.compress(file.read_bytes(), 1))
        compressed.rename(file.with_name(f"{file.name}.gz"))
        file.unlink()

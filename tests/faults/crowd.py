"""Hundreds of clients at once, each on a connection of its own, as tasks of one event loop."""

import asyncio
import json
import threading
from contextlib import suppress

from tests.faults.load import REFUSED, event
from tests.faults.waiting import wait_until

_HEAD = "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"


class Crowd:
    """Clients that post their page views until all of these are acknowledged.

    A fifth of them are slow. `answers` counts statuses, and requests whose connection was `lost`.
    """

    def __init__(self, port, chance, shares):
        """Each share belongs to one client: lists of page views, one for each request."""
        self.answers = {}
        self._port = port
        self._chance = chance
        self._shares = shares
        self._fault = None
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._thread.join(timeout=600)
        assert not self._thread.is_alive(), f"clients hang: {self.answers}"
        if self._fault is not None:
            raise self._fault

    def wait_for(self, count):
        """Wait until so many requests more were acknowledged, or all of them."""
        enough = self.answers.get(200, 0) + count
        wait_until(
            lambda: self.answers.get(200, 0) >= enough or not self._thread.is_alive(), "answers"
        )

    def _run(self):
        try:
            asyncio.run(self._post_all())
        except Exception as error:
            self._fault = error

    async def _post_all(self):
        await asyncio.gather(*map(self._client, self._shares))

    async def _client(self, requests):
        """Post one by one, on a kept connection; repeat requests without acknowledgement."""
        slow = self._chance.random() < 0.2
        waiting, connection = [*requests], None
        while waiting:
            try:
                if connection is None:
                    connection = await asyncio.open_connection("127.0.0.1", self._port)
                status = await self._post(*connection, waiting[-1], slow)
            except (OSError, EOFError):
                status = "lost"
            self.answers[status] = self.answers.get(status, 0) + 1
            if status == 200:
                waiting.pop()
            else:
                assert status == "lost" or status in REFUSED, status
                if connection:
                    connection[1].close()
                connection = None
                await asyncio.sleep(self._chance.uniform(0.01, 0.1))  # not too fast
        connection[1].close()
        with suppress(OSError):
            await connection[1].wait_closed()

    async def _post(self, reader, writer, views, slow):
        """Post, byte by byte if slow; return the status."""
        path, body = "/v1/page", event(views[0])
        if len(views) > 1:
            path, body = "/v1/batch", {"batch": [*map(event, views)]}
        body = json.dumps(body)
        data = (_HEAD.format(path=path, length=len(body)) + body).encode()
        step = max(1, len(data) // 20) if slow else len(data)
        for start in range(0, len(data), step):
            writer.write(data[start : start + step])
            await writer.drain()
            if slow:
                await asyncio.sleep(self._chance.uniform(0, 0.02))
        start_line = await reader.readline()
        if not start_line:
            raise EOFError
        status = int(start_line.split()[1])
        length = 0
        while (header := await reader.readline()).strip():
            name, _, value = header.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        await reader.readexactly(length)
        return status

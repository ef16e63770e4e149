"""A client of server-sent events that remembers what it hears; independent of the server's own writing of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import aiohttp

from tests.support import described
from tests.support.watchers import Recorder

PATIENCE = aiohttp.ClientTimeout(total=None, sock_read=60)


@dataclass(frozen=True)
class QueuedMessage:
    """One event, by the fields that it had."""

    name: str
    data: str
    id: str | None


class Parser:
    """Fed with bytes, however they are cut; after the HTML standard's "interpreting an event stream"."""

    def __init__(self) -> None:
        self.comments = 0
        self.retry: int | None = None
        self._rest = b""
        self._fields: dict[str, str] = {}

    def feed(self, chunk: bytes) -> list[QueuedMessage]:
        events = []
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            if not line:
                if "data" in self._fields:
                    events.append(QueuedMessage(self._fields["event"], self._fields["data"], self._fields.get("id")))
                self._fields = {}
                continue
            name, _, value = line.decode().partition(": ")
            if not name.strip(":"):
                self.comments += 1
            elif name == "retry":
                self.retry = int(value)
            else:
                assert name in ("event", "data", "id"), line
                assert name not in self._fields, "one line is enough"
                self._fields[name] = value
        return events


def parsed(wire: bytes) -> list[QueuedMessage]:
    """The events of a whole stream."""
    parser = Parser()
    events = parser.feed(wire)
    assert not parser._rest
    assert not parser._fields
    return events


class StreamWatcher(Recorder):
    """Listens to one stream until it ends or is left. `ended` once the server has closed it."""

    def __init__(self, url: str, *, headers: Mapping[str, str] = {}) -> None:
        super().__init__()
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.ended = False
        self.last_id: str | None = None
        self.ids: list[str | None] = []
        self.parser = Parser()
        self._url, self._sent = url, headers
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=PATIENCE, cookie_jar=aiohttp.DummyCookieJar())
        self._response = await self._session.get(self._url, headers=self._sent)
        self.status, self.headers = self._response.status, self._response.headers
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._reading is not None
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        self._response.close()
        await self._session.close()

    async def closed(self, deadline: float = 60.0) -> None:
        """Wait until the server has closed the stream."""
        await self.wait_until(lambda: self.ended, deadline)

    async def _read(self) -> None:
        try:
            async for chunk in self._response.content.iter_any():
                for events in self.parser.feed(chunk):
                    self.last_id = events.id or self.last_id
                    self.ids.append(events.id)
                    data = json.loads(events.data)
                    described.check_event(self._url, events.name, data)
                    self.record(events.name, data)
                self._changed.set()
        except aiohttp.ClientError:
            pass  # the server was killed
        self.ended = True
        self._changed.set()

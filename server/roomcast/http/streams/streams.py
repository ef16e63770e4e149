"""Streams: server-sent events of one upload, joined like a room, bounded like a socket.

A stream ends with its upload. A client that comes back from there, as browsers do, is answered 204, which ends it; one
whose stream broke off goes on from its `Last-Event-ID`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import structlog
from aiohttp import hdrs, web

from roomcast.fanout.send_queue import SendQueue, SendStats
from roomcast.http.responses import VIEWER
from roomcast.http.streams.sse import KEEP_ALIVE, RETRY, event, is_end, opening, position
from roomcast.runtime.process import log_context
from roomcast.services.uploads import UploadService
from roomcast.uploads.messages import Message
from roomcast.uploads.model import Upload, message
from roomcast.uploads.viewer import Viewer

log = structlog.get_logger(__name__)

_HEADERS = {
    hdrs.CONTENT_TYPE: "text/event-stream",
    hdrs.CACHE_CONTROL: "no-store",
    "X-Accel-Buffering": "no",
    "X-Content-Type-Options": "nosniff",
}


T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

QueuedMessage = tuple[Message, bool]
"""A message, and whether it is an event."""


class EventRenderer(Protocol[T_contra]):
    """What one stream says."""

    over: bool
    """Nothing more will be said."""

    def opening(self) -> bytes:
        """What comes first."""

    def of(self, told: T_contra, is_event: bool) -> bytes:
        """What is said of something from the feed."""


@dataclass(frozen=True)
class Kind:
    """What the streams of one kind say: the events' name, and for an upload, its messages' shape."""

    event: str
    shape: Callable[[Upload], Callable[[Message], Any]]


class LatestQueue(Generic[T]):
    """What one stream has been told and has not sent yet."""

    def __init__(self, stats: SendStats) -> None:
        self._queue: SendQueue[T] = SendQueue(stats)
        self._news = asyncio.Event()
        self.closed = False

    def put(self, of: str, reading: T) -> None:
        """What there is to say of a thing, in place of what was to be said of it before."""
        self._queue.add_tick(of, reading)
        self._news.set()

    def close(self) -> None:
        """Nothing more is sent. The client may come back and ask for what it missed."""
        self.closed = True
        self._news.set()

    async def wait(self, seconds: float) -> bool:
        """Whether there is something to send within that time; at once when nothing more will be."""
        if not self._queue and not self.closed:
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._news.wait()
        return bool(self._queue)

    def take(self) -> tuple[T, bool]:
        """The next of it, and whether it is an event."""
        return self._queue.pop()


class Subscriber(LatestQueue[Message]):
    """What the relay tells one stream."""

    def on_event(self, event: Message, *, new_status: bool) -> None:
        self._queue.add_event(event["uploadId"], event)
        self._news.set()
        if self._queue.full:
            log.warning("stream dropped", upload=event["uploadId"], why="too many events wait")
            self.close()

    def on_tick(self, tick: Message) -> None:
        self.put(tick["uploadId"], tick)


class Connection:
    """The client's side of one stream."""

    def __init__(self, request: web.Request, *, stalled_after: float) -> None:
        self._request = request
        self._response = web.StreamResponse(headers=_HEADERS)
        self._stalled_after = stalled_after

    async def open(self) -> web.StreamResponse:
        await self._response.prepare(self._request)
        return self._response

    async def send(self, chunk: bytes) -> None:
        """Return when there is room for more. `ConnectionError` when the client is gone; one that takes nothing for
        a while is cut, and is gone then."""
        writing = asyncio.create_task(self._response.write(chunk))
        try:
            left = self._left()
            while not (await asyncio.wait({writing}, timeout=self._stalled_after))[0]:
                before, left = left, self._left()
                if left >= before:
                    self._cut()
                    raise ConnectionAbortedError
            writing.result()
        finally:
            writing.cancel()

    def _left(self) -> int:
        """Bytes that the client has not taken yet."""
        transport = self._request.transport
        return transport.get_write_buffer_size() if transport else 0

    def _cut(self) -> None:
        if transport := self._request.transport:
            log.warning("stream dropped", why="its client reads nothing")
            transport.abort()


class Streams:
    """The streams that are open in this process. Times in seconds."""

    def __init__(self, control: UploadService, *, ping_seconds: float, stalled_client_seconds: float) -> None:
        self.stats = SendStats()
        self._control = control
        self._ping_seconds = ping_seconds
        self._stalled_client_seconds = stalled_client_seconds
        self._open: set[LatestQueue[Any]] = set()
        self._closing = False

    def count(self) -> int:
        """How many are open."""
        return len(self._open)

    def close(self) -> None:
        """End every stream, and each that is still to come: their clients find this server's successor."""
        self._closing = True
        for feed in self._open:
            feed.close()

    async def serve(self, request: web.Request, upload_id: str, kind: Kind) -> web.StreamResponse:
        """The upload's stream, until it ends; raises what looking at the upload raises."""
        stands = position(request.headers.get("Last-Event-ID"))
        since, epoch = (stands.since, stands.epoch) if stands else (None, None)
        feed = Subscriber(self.stats)
        async with self._control.watching(request[VIEWER], upload_id, feed, since=since, epoch=epoch) as replay:
            first = opening(replay, message(replay.upload), stands)
            if not first:
                return web.Response(status=204)
            return await self.speak(request, upload_id, feed, _One(kind, replay.upload, first))

    async def speak(
        self, request: web.Request, about_what: str, feed: LatestQueue[T], speech: EventRenderer[T]
    ) -> web.StreamResponse:
        """Open a stream, and say what `speech` makes of the feed until it is over."""
        connection = Connection(request, stalled_after=self._stalled_client_seconds)
        response = await connection.open()
        with log_context(about_what), self._counted(feed, request[VIEWER]), suppress(ConnectionError):
            await connection.send(RETRY + speech.opening())
            while not speech.over and not feed.closed:
                more = await feed.wait(self._ping_seconds)
                await connection.send(speech.of(*feed.take()) if more else KEEP_ALIVE)
        return response

    @contextmanager
    def _counted(self, feed: LatestQueue[Any], viewer: Viewer) -> Iterator[None]:
        """Open, as long as the server runs and the viewer's token holds."""
        self._open.add(feed)
        if self._closing:
            feed.close()
        expiry = None
        if viewer.expires_at is not None:
            left = max(0.0, viewer.expires_at - time.time())
            expiry = asyncio.get_running_loop().call_later(left, feed.close)
        try:
            yield
        finally:
            self._open.discard(feed)
            if expiry:
                expiry.cancel()


class _One:
    """The messages of one upload."""

    def __init__(self, kind: Kind, upload: Upload, first: Sequence[QueuedMessage]) -> None:
        self._kind = kind
        self._shape = kind.shape(upload)
        self._first = first
        self.over = is_end(first[-1][0])

    def opening(self) -> bytes:
        return b"".join(self.of(*told) for told in self._first)

    def of(self, told: Message, is_event: bool) -> bytes:
        self.over = is_end(told)
        return event(self._kind.event, self._shape(told), at=told if is_event else None)

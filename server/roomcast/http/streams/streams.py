"""The open streams of server-sent events of one process, each with a bounded queue.

A stream ends with its upload. A client that reconnects after the end, as browsers do, gets 204, which makes it stop. A
client whose connection broke continues from its `Last-Event-ID`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Protocol, TypeVar

import structlog
from aiohttp import hdrs, web
from pydantic import Field

from roomcast.fanout.send_queue import SendQueue, SendStats
from roomcast.http.operations import EVENT_STREAM, EventStream, Parameter, ResponseSpec
from roomcast.http.responses import VIEWER
from roomcast.http.streams.sse import (
    KEEP_ALIVE,
    POSITION_PATTERN,
    RETRY,
    event_id,
    initial_events,
    parse_position,
    sse_event,
)
from roomcast.runtime.process import log_context
from roomcast.services.uploads import UploadService
from roomcast.uploads.lifecycle import TERMINAL_STATUSES
from roomcast.uploads.messages import Message
from roomcast.uploads.model import Upload
from roomcast.uploads.viewer import Viewer

log = structlog.get_logger(__name__)

STREAM_HEADERS = {
    hdrs.CONTENT_TYPE: EVENT_STREAM,
    hdrs.CACHE_CONTROL: "no-store",
    "X-Accel-Buffering": "no",
    "X-Content-Type-Options": "nosniff",
}

LAST_EVENT_ID = Parameter(
    "Last-Event-ID",
    Annotated[str, Field(pattern=f"^({POSITION_PATTERN})?$", examples=["9f86d081:7"])],
    "Continue after this event: `epoch:seq`, or `seq` alone; 0 sends all events. Browsers set it when they reconnect.",
    "header",
)


def stream_responses(shapes: Mapping[str, Any]) -> tuple[ResponseSpec, ResponseSpec]:
    """Describe the responses of a stream, with the types of its events by name."""
    return (
        ResponseSpec(200, "The stream, until the upload has ended.", {EVENT_STREAM: EventStream(shapes)}),
        ResponseSpec(204, "The client has received the last event, and need not reconnect."),
    )


T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

QueuedMessage = tuple[Message, bool]
"""A message, and whether it is an event."""


class EventRenderer(Protocol[T_contra]):
    """Renders what one stream sends."""

    finished: bool
    """Whether the stream has sent its last event."""

    def initial(self) -> bytes:
        """Return what is sent first."""

    def render(self, message: T_contra, is_event: bool) -> bytes:
        """Return what is sent for an entry of the queue."""


@dataclass(frozen=True)
class StreamType:
    """The streams of one dialect: the name of their events, and for an upload, what makes their bodies of messages."""

    event: str
    body_of: Callable[[Upload], Callable[[Message], Any]]
    application_events: bool = False
    """Whether a message that carries an event of the application is also sent under that event's name."""


class LatestQueue(Generic[T]):
    """What one stream has not sent yet: the latest value of each key."""

    def __init__(self, stats: SendStats) -> None:
        self._queue: SendQueue[T] = SendQueue(stats)
        self._changed = asyncio.Event()
        self.closed = False

    def put(self, key: str, value: T) -> None:
        """Queue a value, replacing any unsent value with the same key."""
        self._queue.add_tick(key, value)
        self._changed.set()

    def close(self) -> None:
        """End the stream without sending the rest. The client may reconnect and ask for what it missed."""
        self.closed = True
        self._changed.set()

    async def wait(self, seconds: float) -> bool:
        """Wait for something to send. Return False if nothing came in time, or the queue is closed and empty."""
        if not self._queue and not self.closed:
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._changed.wait()
        return bool(self._queue)

    def pop(self) -> tuple[T, bool]:
        """Return the next entry, and whether it is an event."""
        return self._queue.pop()


class Subscriber(LatestQueue[Message]):
    """The queue of a stream that the relay sends an upload's messages to: every event, and the latest tick."""

    def on_event(self, event: Message, *, names: Sequence[str]) -> None:
        """Queue an event. Close the stream if too many are waiting."""
        self._queue.add_event(event["uploadId"], event)
        self._changed.set()
        if self._queue.full:
            log.warning("stream_closed", upload=event["uploadId"], reason="too many events are waiting")
            self.close()

    def on_tick(self, tick: Message) -> None:
        """Queue a tick, replacing an unsent one."""
        self.put(f"{tick['uploadId']} {tick['event']['name']}" if "event" in tick else tick["uploadId"], tick)


class SseWriter:
    """Writes the response of one stream."""

    def __init__(self, request: web.Request, *, stalled_after: float) -> None:
        self._request = request
        self._response = web.StreamResponse(headers=STREAM_HEADERS)
        self._stalled_after = stalled_after

    async def open(self) -> web.StreamResponse:
        """Send the headers."""
        await self._response.prepare(self._request)
        return self._response

    async def send(self, chunk: bytes) -> None:
        """Send bytes, and return when the connection has room for more. Raise `ConnectionError` if the client has gone,
        or has read nothing for `stalled_after` seconds: then the connection is aborted."""
        writing = asyncio.create_task(self._response.write(chunk))
        try:
            unread = self._unread()
            while not (await asyncio.wait({writing}, timeout=self._stalled_after))[0]:
                before, unread = unread, self._unread()
                if unread >= before:
                    self._abort()
                    raise ConnectionAbortedError
            writing.result()
        finally:
            writing.cancel()

    def _unread(self) -> int:
        """Return how many bytes the client has not read yet."""
        transport = self._request.transport
        return transport.get_write_buffer_size() if transport else 0

    def _abort(self) -> None:
        if transport := self._request.transport:
            log.warning("stream_closed", reason="the client reads nothing")
            transport.abort()


class Streams:
    """The streams that are open in this process. All times are in seconds."""

    def __init__(self, uploads: UploadService, *, ping_seconds: float, stalled_client_seconds: float) -> None:
        self.stats = SendStats()
        self._uploads = uploads
        self._ping_seconds = ping_seconds
        self._stalled_client_seconds = stalled_client_seconds
        self._open: set[LatestQueue[Any]] = set()
        self._closing = False

    def count(self) -> int:
        """Return how many streams are open."""
        return len(self._open)

    def close(self) -> None:
        """End every stream, and every later one, so that their clients reconnect to the process that replaces this."""
        self._closing = True
        for queue in self._open:
            queue.close()

    async def serve(self, request: web.Request, upload_id: str, stream_type: StreamType) -> web.StreamResponse:
        """Stream an upload's messages until it ends. Raise what getting the upload raises."""
        position = parse_position(request.headers.get("Last-Event-ID"))
        since, epoch = (position.since, position.epoch) if position else (None, None)
        queue = Subscriber(self.stats)
        async with self._uploads.subscription(request[VIEWER], upload_id, queue, since=since, epoch=epoch) as replay:
            first = initial_events(replay, self._uploads.message(replay.upload), position)
            if not first:
                return web.Response(status=204)
            return await self.run(request, upload_id, queue, _UploadRenderer(stream_type, replay.upload, first))

    async def run(
        self, request: web.Request, subject: str, queue: LatestQueue[T], renderer: EventRenderer[T]
    ) -> web.StreamResponse:
        """Send what `renderer` makes of the queue's entries until it has finished. `subject` names the stream in the
        log."""
        writer = SseWriter(request, stalled_after=self._stalled_client_seconds)
        response = await writer.open()
        with log_context(subject), self._registered(queue, request[VIEWER]), suppress(ConnectionError):
            await writer.send(RETRY + renderer.initial())
            while not renderer.finished and not queue.closed:
                ready = await queue.wait(self._ping_seconds)
                await writer.send(renderer.render(*queue.pop()) if ready else KEEP_ALIVE)
        return response

    @contextmanager
    def _registered(self, queue: LatestQueue[Any], viewer: Viewer) -> Iterator[None]:
        """Close the queue when the server shuts down or the viewer's token expires."""
        self._open.add(queue)
        if self._closing:
            queue.close()
        expiry = None
        if viewer.expires_at is not None:
            remaining = max(0.0, viewer.expires_at - time.time())
            expiry = asyncio.get_running_loop().call_later(remaining, queue.close)
        try:
            yield
        finally:
            self._open.discard(queue)
            if expiry:
                expiry.cancel()


class _UploadRenderer:
    """Renders the messages of one upload."""

    def __init__(self, stream_type: StreamType, upload: Upload, first: Sequence[QueuedMessage]) -> None:
        self._event = stream_type.event
        self._application_events = stream_type.application_events
        self._body = stream_type.body_of(upload)
        self._first = first
        self.finished = first[-1][0]["status"] in TERMINAL_STATUSES

    def initial(self) -> bytes:
        return b"".join(self.render(*queued) for queued in self._first)

    def render(self, message: Message, is_event: bool) -> bytes:
        self.finished = message["status"] in TERMINAL_STATUSES
        body = self._body(message)
        named = b""
        if self._application_events and "event" in message:
            named = sse_event(message["event"]["name"], body)
        # The one with the `id` comes last: a client that has received it has received both.
        return named + sse_event(self._event, body, event_id(message) if is_event else None)

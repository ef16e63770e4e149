"""Reading from a connection that several parties pause: none of them resumes it while another one needs it paused.

The connection, the event loop's turns and the clock are the test's own.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from roomcast.http.intake.pipeline import BATCH_BYTES
from roomcast.http.intake.raw_body import raw_body
from roomcast.http.request_handler import request_handlers
from roomcast.transport.connections import Connections
from roomcast.transport.scheduler import Scheduler
from roomcast.transport.websocket import WebSocket, WebSocketContext

from tests.support.sessions import FakeEngine

READ_BYTES = 256 << 10
"""What uvloop reads at once for a protocol without a buffer."""

SIZE = 5 * BATCH_BYTES + 4321
CONTENT = array("I", range(SIZE // 4 + 1)).tobytes()[:SIZE]
HEAD = f"PUT / HTTP/1.1\r\nHost: here\r\nContent-Length: {SIZE}\r\n\r\n".encode()


class FakeConnection(asyncio.Transport):
    """A connection whose client has sent bytes, which its protocol gets while it reads."""

    def __init__(self, sent: bytes = b"") -> None:
        super().__init__()
        self._protocol: Any = None
        self._sent = memoryview(sent)
        self.written = b""
        self.reading = True
        self.closing = False

    def set_protocol(self, protocol: Any) -> None:
        self._protocol = protocol

    def get_protocol(self) -> Any:
        return self._protocol

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closing

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        self.written += bytes(data)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def close(self) -> None:
        self.closing = True

    def deliver(self) -> None:
        """Give the protocol what was sent, as far as it reads on."""
        while self.reading and self._sent and not self.closing:
            if isinstance(self._protocol, asyncio.BufferedProtocol):
                buffer = memoryview(self._protocol.get_buffer(-1))
                assert buffer, "The protocol has no room, which closes the connection."
                count = min(len(buffer), len(self._sent))
                buffer[:count], self._sent = self._sent[:count], self._sent[count:]
                self._protocol.buffer_updated(count)
            else:
                data, self._sent = bytes(self._sent[:READ_BYTES]), self._sent[READ_BYTES:]
                self._protocol.data_received(data)


class Turns:
    """The turns of an event loop in which no time passes."""

    def __init__(self) -> None:
        self._callbacks: list[Callable[[], None]] = []
        self.scheduler = Scheduler(lambda: 1000.0, self._callbacks.append)
        self._other = self.scheduler.account("another client")

    def occupy(self) -> None:
        """Let another client wait, so that no work is admitted before the next turn."""
        self.scheduler.defer(self._other, lambda _: None)

    def run(self) -> None:
        callbacks, self._callbacks[:] = list(self._callbacks), []
        for callback in callbacks:
            callback()


async def idle() -> None:
    """Return when the tasks that are ready have run until they wait."""
    for _ in range(20):
        await asyncio.sleep(0)


async def deferred_when_the_body_is_detached(turns: Turns, connection: FakeConnection) -> None:
    """The parser, which is emptied for the reader of large bodies, waits for a turn."""
    turns.occupy()


async def deferred_when_the_request_is_handled(turns: Turns, connection: FakeConnection) -> None:
    """More bytes are read while the request is handled, and the next ones wait for a turn."""
    turns.occupy()
    connection.get_protocol().data_received(b"")
    assert not connection.reading


async def paused_by_the_parser(turns: Turns, connection: FakeConnection) -> None:
    """The parser has paused reading, since the request's handler reads nothing yet."""
    assert not connection.reading


BEGINNINGS = [deferred_when_the_body_is_detached, deferred_when_the_request_is_handled, paused_by_the_parser]


@pytest.mark.parametrize("begin", BEGINNINGS, ids=lambda begin: begin.__name__)
async def test_full_buffer_of_a_large_body_is_not_read_into_when_a_deferral_ends(
    begin: Callable[[Turns, FakeConnection], Awaitable[None]],
) -> None:
    turns, connection = Turns(), FakeConnection(HEAD + CONTENT)
    received = bytearray()
    may_read = asyncio.Event()

    async def put(request: web.BaseRequest) -> web.Response:
        await begin(turns, connection)
        async with raw_body(request) as chunks:  # type: ignore[arg-type]
            await may_read.wait()
            async for chunk in chunks:
                received.extend(chunk)
                await asyncio.sleep(0)
        response = web.Response(text="Received.")
        response.force_close()
        return response

    protocol = request_handlers(web.Server(put), Connections(), turns.scheduler)()
    connection.set_protocol(protocol)
    protocol.connection_made(connection)
    connection.deliver()
    await idle()
    connection.deliver()
    assert not connection.reading, "The buffer is full."
    turns.run()
    connection.deliver()
    assert not connection.reading, "The buffer is still full."
    may_read.set()
    for _ in range(SIZE // BATCH_BYTES + 4):
        await idle()
        turns.run()
        connection.deliver()
    assert received == CONTENT
    assert b"Received." in connection.written


async def test_body_whose_connection_is_lost_before_its_turn_fails_to_be_read_with_a_connection_error() -> None:
    turns, connection = Turns(), FakeConnection(HEAD + CONTENT[:100])
    errors: list[Exception] = []

    async def put(request: web.BaseRequest) -> web.Response:
        try:
            async for _ in request.content.iter_any():
                pass
        except Exception as error:  # noqa: BLE001  (it is examined below)
            errors.append(error)
        return web.Response()

    protocol = request_handlers(web.Server(put), Connections(), turns.scheduler)()
    connection.set_protocol(protocol)
    protocol.connection_made(connection)
    turns.occupy()
    connection.deliver()
    await idle()
    protocol.connection_lost(None)
    turns.run()
    await idle()
    assert [type(error) for error in errors] == [ConnectionResetError]


def messages(count: int) -> bytes:
    """Return frames with a short message each."""
    return b"\x81\x82\0\0\0\x004x" * count


def pongs(count: int) -> bytes:
    """Return frames with an Engine.IO pong each."""
    return b"\x81\x81\0\0\0\x003" * count


def open_websocket(turns: Turns, connection: FakeConnection, engine: FakeEngine) -> WebSocket:
    """Serve a session over the connection."""
    session = engine.session()
    context = WebSocketContext(1000, Connections(), turns.scheduler)
    websocket = WebSocket(session, connection, context, deflate=False)
    connection.set_protocol(websocket)
    session.attach(websocket)
    return websocket


async def test_websocket_reads_on_after_more_frames_than_a_turn_handles() -> None:
    turns, connection, engine = Turns(), FakeConnection(), FakeEngine()
    open_websocket(turns, connection, engine).data_received(pongs(65))
    assert (engine.pongs, connection.reading) == (64, False)
    turns.run()
    assert (engine.pongs, connection.reading) == (65, True)


async def test_websocket_is_read_when_neither_its_session_nor_its_account_waits() -> None:
    turns, connection, engine = Turns(), FakeConnection(), FakeEngine(manual=True)
    websocket = open_websocket(turns, connection, engine)
    websocket.data_received(messages(200))  # more than a turn handles, and as many as pause the session
    engine.handle()
    assert (len(engine.messages), connection.reading) == (64, False), "The account waits."
    turns.run()
    turns.run()
    assert (len(engine.pending), connection.reading) == (1, False), "The session waits."
    for _ in range(5):
        engine.handle()
        turns.run()
    assert (len(engine.messages), connection.reading) == (200, True)

"""Engine.IO sessions: packets arrive once and in order over any transport, and sessions end as specified."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from roomcast.transport.packets import InvalidPacket
from roomcast.transport.session import MAX_QUEUED_BYTES, MAX_QUEUED_PACKETS, Session

from tests.support.sessions import FakeEngine, FakeTransport, packets_of


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
async def session(engine: FakeEngine) -> Session:
    return engine.session()


@pytest.fixture
async def websocket_session(session: Session) -> tuple[Session, FakeTransport]:
    transport = FakeTransport()
    session.attach(transport)
    return session, transport


def probe(session: Session, transport: FakeTransport) -> None:
    session.receive("2probe", transport)


async def assert_waiting(poll: asyncio.Task[bytes]) -> None:
    """Give the poll a turn of the event loop, and check that it still waits."""
    await asyncio.sleep(0)
    assert not poll.done()


async def test_poll_returns_queued_packets_or_waits_for_the_next_one(session: Session) -> None:
    for packet in packets_of("4a", "4b"):
        session.send(packet)
    assert await session.poll() == b"4a\x1e4b"
    poll = asyncio.create_task(session.poll())
    await assert_waiting(poll)
    session.send(*packets_of("4c"))
    session.send(*packets_of("4d"))
    assert await poll == b"4c\x1e4d"


async def test_second_concurrent_poll_ends_the_session(session: Session, engine: FakeEngine) -> None:
    poll = asyncio.create_task(session.poll())
    await assert_waiting(poll)
    with pytest.raises(web.HTTPBadRequest):
        await session.poll()
    assert await poll == b"1"
    assert engine.closed_sessions


async def test_received_messages_become_events(session: Session, engine: FakeEngine) -> None:
    for packet in ("4hello", b"\0", "6", "3"):
        session.receive(packet)
    assert engine.messages == ["hello", b"\0"]


@pytest.mark.parametrize("packet", ["", "0", "2", "5", "7", "x", "2probe", "11"])
async def test_packet_that_no_client_may_send_is_invalid(session: Session, packet: str) -> None:
    with pytest.raises(InvalidPacket):
        session.receive(packet)


async def test_probe_ends_the_waiting_poll_and_queues_packets_until_the_upgrade(session: Session) -> None:
    transport = FakeTransport()
    poll = asyncio.create_task(session.poll())
    await assert_waiting(poll)
    probe(session, transport)
    assert transport.pop_written() == ["3probe"]
    assert await poll == b"6"
    session.send(*packets_of("4queued"))
    assert await session.poll() == b"6"
    session.receive("5", transport)
    assert transport.pop_written() == ["4queued"]


async def test_failed_upgrade_leaves_the_session_polling(session: Session) -> None:
    transport = FakeTransport()
    probe(session, transport)
    session.send(*packets_of("4queued"))
    session.on_connection_lost(transport)
    assert await session.poll() == b"4queued"
    probe(session, FakeTransport())


async def test_second_websocket_cannot_upgrade_the_session(session: Session) -> None:
    first, second = FakeTransport(), FakeTransport()
    probe(session, first)
    for packet in ("2probe", "5", "4"):
        with pytest.raises(InvalidPacket):
            session.receive(packet, second)
    session.on_connection_lost(second)
    session.receive("5", first)
    with pytest.raises(InvalidPacket):
        probe(session, second)


class SessionScript:
    """A session in a random sequence of polls, upgrades that fail or succeed, and a WebSocket that is full or not."""

    def __init__(self) -> None:
        self.session = FakeEngine().session()
        self.transport = FakeTransport()
        self.sent: list[str] = []
        self.received: list[str] = []
        self._upgrading = False

    async def step(self, name: str) -> None:
        await getattr(self, name)()
        self.received += [text for text in self.transport.pop_written() if text.startswith("4")]

    async def send(self) -> None:
        self.sent.append(f"4{len(self.sent)}")
        self.session.send(*packets_of(self.sent[-1]))

    async def poll(self) -> None:
        if self.session.queued_packets and not self.session.upgraded:
            self.received += [text for text in (await self.session.poll()).decode().split("\x1e") if text != "6"]

    async def probe(self) -> None:
        if not (self._upgrading or self.session.upgraded):
            self._upgrading = True
            probe(self.session, self.transport)

    async def fail(self) -> None:
        if self._upgrading:
            self._upgrading = False
            self.session.on_connection_lost(self.transport)

    async def upgrade(self) -> None:
        if self._upgrading:
            self._upgrading = False
            self.session.receive("5", self.transport)

    async def fill(self) -> None:
        self.transport.paused = self.session.upgraded

    async def drain(self) -> None:
        self.transport.paused = False
        self.session.flush()


STEPS = st.sampled_from(["send", "send", "poll", "probe", "fail", "upgrade", "fill", "drain"])


@given(st.lists(STEPS, max_size=30))
async def test_packets_arrive_once_and_in_order_over_any_transport(steps: list[str]) -> None:
    script = SessionScript()
    for name in [*steps, "fail", "drain", "poll"]:
        await script.step(name)
    assert script.received == script.sent


SessionEnd = tuple[str, list[str], bytes]
ENDS: dict[str, SessionEnd] = {
    "by the client": ("1", ["close"], b"6"),
    "by the server": ("close", ["close"], b"1"),
    "for a reconnect": ("drop", ["close without a frame"], b"6"),
    "at once": ("abort", ["abort"], b"6"),
}


def end(session: Session, action: str, transport: FakeTransport | None) -> None:
    if action == "1":
        session.receive("1", transport)
    elif action == "drop":
        session.close(code=None)
    else:
        getattr(session, action)()


@pytest.mark.parametrize(("action", "closes", "_"), ENDS.values(), ids=ENDS)
async def test_ended_websocket_session_closes_its_transport_and_receives_nothing(
    websocket_session: tuple[Session, FakeTransport], engine: FakeEngine, action: str, closes: list[str], _: bytes
) -> None:
    session, transport = websocket_session
    end(session, action, transport)
    assert transport.closes == closes
    assert engine.closed_sessions
    session.on_connection_lost(transport)
    with pytest.raises(InvalidPacket):
        session.receive("40", transport)


@pytest.mark.parametrize(("action", "_", "answer"), ENDS.values(), ids=ENDS)
async def test_ended_polling_session_answers_its_poll_and_receives_nothing(
    session: Session, engine: FakeEngine, action: str, _: list[str], answer: bytes
) -> None:
    poll = asyncio.create_task(session.poll())
    await assert_waiting(poll)
    end(session, action, None)
    assert await poll == answer
    assert engine.closed_sessions
    with pytest.raises(InvalidPacket):
        session.receive("40")


async def test_lost_websocket_ends_the_session(
    websocket_session: tuple[Session, FakeTransport], engine: FakeEngine
) -> None:
    session, transport = websocket_session
    session.on_connection_lost(transport)
    assert engine.closed_sessions


async def test_ended_session_closes_its_upgrading_websocket(session: Session) -> None:
    transport = FakeTransport()
    probe(session, transport)
    session.close()
    assert transport.closes == ["close"]
    with pytest.raises(InvalidPacket):
        session.receive("5", transport)


async def test_disconnect_event_is_handled_after_received_messages(engine: FakeEngine) -> None:
    engine.manual = True
    session = engine.session()
    session.start("environ")
    session.receive("4last message")
    session.receive("1")
    assert engine.events == []
    engine.handle()
    assert engine.events == [("connect", "environ"), ("message", "last message"), ("disconnect", "client disconnect")]


async def test_reading_is_paused_while_too_many_messages_are_unhandled(engine: FakeEngine) -> None:
    engine.manual = True
    session, transport = engine.session(), FakeTransport()
    session.attach(transport)
    sent = 0
    while transport.reading:
        session.receive("4x", transport)
        sent += 1
    assert sent == 64
    handled = asyncio.ensure_future(session.wait_until_handled())
    await asyncio.sleep(0)
    assert not handled.done()
    engine.handle()
    assert transport.reading
    await handled


@pytest.mark.parametrize("upgrade", [False, True])
@pytest.mark.parametrize("text", ["4x", "4" + "x" * 10_000])
async def test_client_that_reads_nothing_is_disconnected_when_its_queue_is_full(
    engine: FakeEngine, upgrade: bool, text: str
) -> None:
    session, transport = engine.session(), FakeTransport(paused=True)
    if upgrade:
        session.attach(transport)
    sent = 0
    while not session.closing and sent < 10_000:
        session.send_direct(*packets_of(text))
        sent += 1
    assert sent - 1 == min(MAX_QUEUED_PACKETS, MAX_QUEUED_BYTES // len(text) + 1)
    assert session.queued_packets == 0
    assert transport.closes == (["abort"] if upgrade else [])
    session.send_direct(*packets_of("4more"))
    assert session.queued_packets == 0


async def test_interceptor_gets_sent_packets_until_it_is_removed(
    websocket_session: tuple[Session, FakeTransport],
) -> None:
    session, transport = websocket_session
    intercepted: list[bytes] = []
    assert session.fast_write
    session.set_interceptor(lambda packet: intercepted.append(packet.text))
    assert session.fast_write is None
    session.send(*packets_of("4intercepted"))
    session.send_direct(*packets_of("2"))
    assert (intercepted, transport.pop_written()) == ([b"4intercepted"], ["2"])
    session.set_interceptor(None)
    session.send(*packets_of("4now"))
    assert session.fast_write
    assert transport.pop_written() == ["4now"]


async def test_client_with_compression_gets_deflated_frames_and_no_fast_write(
    engine: FakeEngine,
) -> None:
    session, transport = engine.session(), FakeTransport(deflate=True)
    session.attach(transport)
    (packet,) = packets_of("4" + "x" * 1000)
    session.send_direct(packet)
    assert transport.written == [packet.deflated]
    assert packet.deflated is packet.deflated
    assert len(packet.deflated) < 100
    assert session.fast_write is None

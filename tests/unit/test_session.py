"""Engine.IO sessions: what is sent arrives once and in order whatever carries it, and they end as they should."""

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
async def polled(engine: FakeEngine) -> Session:
    return engine.session()


@pytest.fixture
async def upgraded(polled: Session) -> tuple[Session, FakeTransport]:
    transport = FakeTransport()
    polled.attach(transport)
    return polled, transport


def probe(session: Session, transport: FakeTransport) -> None:
    session.receive("2probe", transport)


async def waits(poll: asyncio.Task[bytes]) -> None:
    """The poll is waiting, for it has had its turn."""
    await asyncio.sleep(0)
    assert not poll.done()


async def test_a_poll_takes_what_waits_and_then_waits_for_more(polled: Session) -> None:
    for packet in packets_of("4a", "4b"):
        polled.send(packet)
    assert await polled.poll() == b"4a\x1e4b"
    poll = asyncio.create_task(polled.poll())
    await waits(poll)
    polled.send(*packets_of("4c"))
    polled.send(*packets_of("4d"))
    assert await poll == b"4c\x1e4d"


async def test_two_polls_at_a_time_end_a_session(polled: Session, engine: FakeEngine) -> None:
    poll = asyncio.create_task(polled.poll())
    await waits(poll)
    with pytest.raises(web.HTTPBadRequest):
        await polled.poll()
    assert await poll == b"1"
    assert engine.ended


async def test_messages_are_passed_on(polled: Session, engine: FakeEngine) -> None:
    for packet in ("4hello", b"\0", "6", "3"):
        polled.receive(packet)
    assert engine.messages == ["hello", b"\0"]


@pytest.mark.parametrize("packet", ["", "0", "2", "5", "7", "x", "2probe", "11"])
async def test_what_no_client_may_send(polled: Session, packet: str) -> None:
    with pytest.raises(InvalidPacket):
        polled.receive(packet)


async def test_a_probe_ends_the_poll_and_polls_wait_for_nothing_until_the_upgrade(polled: Session) -> None:
    transport = FakeTransport()
    poll = asyncio.create_task(polled.poll())
    await waits(poll)
    probe(polled, transport)
    assert transport.take() == ["3probe"]
    assert await poll == b"6"
    polled.send(*packets_of("4held"))
    assert await polled.poll() == b"6"
    polled.receive("5", transport)
    assert transport.take() == ["4held"]


async def test_an_upgrade_that_fails_leaves_a_session_that_polls(polled: Session) -> None:
    transport = FakeTransport()
    probe(polled, transport)
    polled.send(*packets_of("4held"))
    polled.on_connection_lost(transport)
    assert await polled.poll() == b"4held"
    probe(polled, FakeTransport())


async def test_one_upgrade_at_a_time(polled: Session) -> None:
    first, second = FakeTransport(), FakeTransport()
    probe(polled, first)
    for packet in ("2probe", "5", "4"):
        with pytest.raises(InvalidPacket):
            polled.receive(packet, second)
    polled.on_connection_lost(second)
    polled.receive("5", first)
    with pytest.raises(InvalidPacket):
        probe(polled, second)


class Way:
    """A session on a random way: polls, upgrades that fail and one that does not, and a WebSocket that is full."""

    def __init__(self) -> None:
        self.session = FakeEngine().session()
        self.transport = FakeTransport()
        self.sent: list[str] = []
        self.heard: list[str] = []
        self._upgrading = False

    async def step(self, name: str) -> None:
        await getattr(self, name)()
        self.heard += [text for text in self.transport.take() if text.startswith("4")]

    async def send(self) -> None:
        self.sent.append(f"4{len(self.sent)}")
        self.session.send(*packets_of(self.sent[-1]))

    async def poll(self) -> None:
        if self.session.queued_packets and not self.session.upgraded:
            self.heard += [text for text in (await self.session.poll()).decode().split("\x1e") if text != "6"]

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
async def test_everything_arrives_once_and_in_order(steps: list[str]) -> None:
    way = Way()
    for name in [*steps, "fail", "drain", "poll"]:
        await way.step(name)
    assert way.heard == way.sent


Ending = tuple[str, list[str], bytes]
ENDINGS: dict[str, Ending] = {
    "by the client": ("1", ["close"], b"6"),
    "by us": ("close", ["close"], b"1"),
    "for a reconnect": ("drop", ["close without a frame"], b"6"),
    "at once": ("abort", ["abort"], b"6"),
}


def end(session: Session, how: str, transport: FakeTransport | None) -> None:
    if how == "1":
        session.receive("1", transport)
    elif how == "drop":
        session.close(code=None)
    else:
        getattr(session, how)()


@pytest.mark.parametrize(("how", "ended", "_"), ENDINGS.values(), ids=ENDINGS)
async def test_the_end_of_a_websocket(
    upgraded: tuple[Session, FakeTransport], engine: FakeEngine, how: str, ended: list[str], _: bytes
) -> None:
    session, transport = upgraded
    end(session, how, transport)
    assert transport.ended == ended
    assert engine.ended
    session.on_connection_lost(transport)
    with pytest.raises(InvalidPacket):
        session.receive("40", transport)


@pytest.mark.parametrize(("how", "_", "answer"), ENDINGS.values(), ids=ENDINGS)
async def test_the_end_of_a_polling_session(
    polled: Session, engine: FakeEngine, how: str, _: list[str], answer: bytes
) -> None:
    poll = asyncio.create_task(polled.poll())
    await waits(poll)
    end(polled, how, None)
    assert await poll == answer
    assert engine.ended
    with pytest.raises(InvalidPacket):
        polled.receive("40")


async def test_a_session_ends_with_its_websocket(upgraded: tuple[Session, FakeTransport], engine: FakeEngine) -> None:
    session, transport = upgraded
    session.on_connection_lost(transport)
    assert engine.ended


async def test_an_upgrade_ends_with_its_session(polled: Session) -> None:
    transport = FakeTransport()
    probe(polled, transport)
    polled.close()
    assert transport.ended == ["close"]
    with pytest.raises(InvalidPacket):
        polled.receive("5", transport)


async def test_the_end_of_a_session_is_an_event_behind_what_was_received_before(engine: FakeEngine) -> None:
    engine.slow = True
    session = engine.session()
    session.start("environ")
    session.receive("4last words")
    session.receive("1")
    assert engine.events == []
    engine.handle()
    assert engine.events == [("connect", "environ"), ("message", "last words"), ("disconnect", "client disconnect")]


async def test_a_client_that_is_not_handled_as_fast_as_it_sends_is_not_read(engine: FakeEngine) -> None:
    engine.slow = True
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
async def test_a_client_that_takes_nothing_is_disconnected_when_too_much_waits(
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
    assert transport.ended == (["abort"] if upgrade else [])
    session.send_direct(*packets_of("4more"))
    assert session.queued_packets == 0


async def test_what_is_sent_while_the_application_keeps_packets_back_goes_to_it(
    upgraded: tuple[Session, FakeTransport],
) -> None:
    session, transport = upgraded
    kept: list[bytes] = []
    assert session.fast_write
    session.set_interceptor(lambda packet: kept.append(packet.text))
    assert session.fast_write is None
    session.send(*packets_of("4kept"))
    session.send_direct(*packets_of("2"))
    assert (kept, transport.take()) == ([b"4kept"], ["2"])
    session.set_interceptor(None)
    session.send(*packets_of("4now"))
    assert session.fast_write
    assert transport.take() == ["4now"]


async def test_a_client_that_negotiated_compression_gets_compressed_frames_and_no_shared_ones(
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

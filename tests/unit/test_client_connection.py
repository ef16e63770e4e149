"""A client's connection: a slow client gets events in order and only the latest tick, within limits."""

from __future__ import annotations

import pytest
from roomcast.fanout.send_queue import MAX_EVENTS, SendStats
from roomcast.rooms.room import ClientConnection
from roomcast.transport.packets import EncodedPacket
from roomcast.transport.session import HIGH_WATER_PACKETS, Session

from tests.support.sessions import FakeEngine, FakeTransport, packets_of


def tick(text: str) -> EncodedPacket:
    return EncodedPacket(text.encode())


@pytest.fixture
async def session() -> Session:
    return FakeEngine().session()


@pytest.fixture
async def transport(session: Session) -> FakeTransport:
    transport = FakeTransport()
    session.attach(transport)
    return transport


@pytest.fixture
def stats() -> SendStats:
    return SendStats()


@pytest.fixture
async def connection(session: Session, stats: SendStats) -> ClientConnection:
    return ClientConnection(session, stats)


def test_writable_client_gets_every_message_at_once(connection: ClientConnection, transport: FakeTransport) -> None:
    for number in range(HIGH_WATER_PACKETS * 3):
        connection.send_event("a", packets_of(f"event {number}", "by name"))
        connection.send_tick("a", tick(f"tick {number}"))
        assert transport.pop_written() == [f"event {number}", "by name", f"tick {number}"]


def test_slow_client_gets_all_events_and_the_latest_tick_of_each_key(
    connection: ClientConnection, transport: FakeTransport, stats: SendStats
) -> None:
    transport.paused = True
    connection.send_tick("a", tick("a1"))
    connection.send_tick("b", tick("b1"))
    connection.send_tick("a", tick("a2"))
    connection.send_event("b", packets_of("B", "B by name"))
    connection.send_event("c", packets_of("C"))
    connection.send_tick("b", tick("b2"))
    assert transport.pop_written() == []
    transport.paused = False
    assert connection.flush(20)
    assert transport.pop_written() == ["B", "B by name", "C", "a2", "b2"]
    assert not connection.has_queued
    assert stats == SendStats(events=2, ticks=2, coalesced=2)


def test_new_event_does_not_overtake_queued_events(connection: ClientConnection, transport: FakeTransport) -> None:
    transport.paused = True
    connection.send_event("a", packets_of("first"))
    transport.paused = False
    connection.send_event("a", packets_of("second"))
    connection.flush(20)
    assert transport.pop_written() == ["first", "second"]


async def test_polling_client_gets_the_latest_tick_after_its_queued_packets(
    connection: ClientConnection, session: Session
) -> None:
    for number in range(1000):
        connection.send_tick("a", tick(str(number)))
    assert session.queued_packets == HIGH_WATER_PACKETS
    await session.poll()
    connection.flush(20)
    assert await session.poll() == b"999"


def test_client_with_too_many_queued_events_is_overloaded(
    connection: ClientConnection, transport: FakeTransport
) -> None:
    transport.paused = True
    for number in range(MAX_EVENTS):
        connection.send_event("a", packets_of(str(number)))
    assert not connection.overloaded
    connection.send_event("a", packets_of("one too many"))
    assert connection.overloaded


def test_client_is_stalled_only_when_it_reads_nothing(connection: ClientConnection, transport: FakeTransport) -> None:
    transport.paused, transport.size = True, 100
    connection.send_tick("a", tick("1"))
    assert connection.flush(stalled_after=60)
    assert not connection.flush(stalled_after=0)
    transport.size -= 1
    assert connection.flush(stalled_after=0.05)


def test_client_with_too_many_queued_bytes_is_overloaded(
    connection: ClientConnection, transport: FakeTransport
) -> None:
    transport.paused = True
    for _ in range(8):
        connection.send_event("a", packets_of("x" * (1 << 20)))
    assert not connection.overloaded
    connection.send_event("a", packets_of("x"))
    assert connection.overloaded


def test_ack_is_sent_after_queued_events(
    connection: ClientConnection, session: Session, transport: FakeTransport
) -> None:
    transport.paused = True
    connection.send_event("a", packets_of("event"))
    session.send(*packets_of("ack"))
    transport.paused = False
    connection.flush(20)
    session.send(*packets_of("next ack"))
    assert transport.pop_written() == ["event", "ack", "next ack"]

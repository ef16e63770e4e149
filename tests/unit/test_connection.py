"""What waits for a client: bounded, in order, and only the latest tick."""

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


def test_a_client_that_keeps_up_gets_everything_at_once(connection: ClientConnection, transport: FakeTransport) -> None:
    for number in range(HIGH_WATER_PACKETS * 3):
        connection.send_event("a", packets_of(f"event {number}", "by name"))
        connection.send_tick("a", tick(f"tick {number}"))
        assert transport.take() == [f"event {number}", "by name", f"tick {number}"]


def test_of_ticks_only_the_latest_waits_and_events_overtake_none(
    connection: ClientConnection, transport: FakeTransport, stats: SendStats
) -> None:
    transport.paused = True
    connection.send_tick("a", tick("a1"))
    connection.send_tick("b", tick("b1"))
    connection.send_tick("a", tick("a2"))
    connection.send_event("b", packets_of("B", "B by name"))
    connection.send_event("c", packets_of("C"))
    connection.send_tick("b", tick("b2"))
    assert transport.take() == []
    transport.paused = False
    assert connection.flush(20)
    assert transport.take() == ["B", "B by name", "C", "a2", "b2"]
    assert not connection.has_queued
    assert stats == SendStats(events=2, ticks=2, coalesced=2)


def test_what_comes_while_others_wait_does_not_pass_them(
    connection: ClientConnection, transport: FakeTransport
) -> None:
    transport.paused = True
    connection.send_event("a", packets_of("first"))
    transport.paused = False
    connection.send_event("a", packets_of("second"))
    connection.flush(20)
    assert transport.take() == ["first", "second"]


async def test_a_polling_client_is_bounded_by_what_waits_for_its_poll(
    connection: ClientConnection, session: Session
) -> None:
    for number in range(1000):
        connection.send_tick("a", tick(str(number)))
    assert session.queued_packets == HIGH_WATER_PACKETS
    await session.poll()
    connection.flush(20)
    assert await session.poll() == b"999"


def test_a_client_for_which_too_many_events_wait_is_overloaded(
    connection: ClientConnection, transport: FakeTransport
) -> None:
    transport.paused = True
    for number in range(MAX_EVENTS):
        connection.send_event("a", packets_of(str(number)))
    assert not connection.overloaded
    connection.send_event("a", packets_of("one too many"))
    assert connection.overloaded


def test_a_client_that_takes_nothing_is_stalled_and_one_that_takes_a_little_is_not(
    connection: ClientConnection, transport: FakeTransport
) -> None:
    transport.paused, transport.size = True, 100
    connection.send_tick("a", tick("1"))
    assert connection.flush(stalled_after=60)
    assert not connection.flush(stalled_after=0)
    transport.size -= 1
    assert connection.flush(stalled_after=0.05)


def test_a_client_for_which_too_many_bytes_wait_is_overloaded(
    connection: ClientConnection, transport: FakeTransport
) -> None:
    transport.paused = True
    for _ in range(8):
        connection.send_event("a", packets_of("x" * (1 << 20)))
    assert not connection.overloaded
    connection.send_event("a", packets_of("x"))
    assert connection.overloaded


def test_an_ack_goes_behind_the_events_that_wait(
    connection: ClientConnection, session: Session, transport: FakeTransport
) -> None:
    transport.paused = True
    connection.send_event("a", packets_of("event"))
    session.send(*packets_of("ack"))
    transport.paused = False
    connection.flush(20)
    session.send(*packets_of("next ack"))
    assert transport.take() == ["event", "ack", "next ack"]
